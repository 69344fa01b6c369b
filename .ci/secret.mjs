// Keeps in mind what must not be in the log: the file has one secret a line.
import { appendFileSync } from "node:fs";

export function secret(text) {
  appendFileSync(process.env.SECRETS, `${text}\n`);
  return text;
}
