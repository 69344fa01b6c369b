// Follows the links of the mails in a real browser: confirms an address, sets a new password and logs in with it, changes the
// address and takes the change back.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { chromium } from "playwright-core";
import { secret } from "./secret.mjs";

const [address, mailbox] = process.argv.slice(2);
const email = secret("galahad@example.com");
const moved = secret("galahad@corbenic.example");
["a sword in a stone", "the holy grail itself", "the holy grail again"].forEach(secret);

async function post(path, body) {
  const form = body instanceof URLSearchParams;
  const headers = form ? {} : { "Content-Type": "application/json" };
  const response = await fetch(address + path, { method: "POST", headers, body: form ? body : JSON.stringify(body) });
  const answer = await response.json();
  if (answer?.access_token) secret(answer.access_token);
  return { status: response.status, answer };
}

const login = (password) => post("/auth/jwt/login", new URLSearchParams({ username: email, password }));

function expect(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what}: ${found} instead of ${wanted}`);
}

// Asks for a mail and takes the link out of it.
async function link(path, page) {
  const ask = async () => expect((await post(path, { email })).status, 202, path);
  return (await links(ask, [[email, page]]))[0];
}

// Does what mails follow, and takes their links out of them: one for each recipient and page.
async function links(ask, wanted) {
  const known = new Set(readdirSync(mailbox));
  await ask();
  for (let tries = 0; tries < 200; tries++) {
    const fresh = readdirSync(mailbox).filter((name) => name.endsWith(".eml") && !known.has(name));
    const texts = fresh.map((name) => plain(join(mailbox, name)));
    const found = wanted.map(([to, page]) => {
      const text = texts.find((text) => text.startsWith(to) && text.includes(`${address}/${page}#`));
      return text?.match(new RegExp(`${address}/${page}#token=\\S+`))[0];
    });
    if (found.every(Boolean)) {
      found.forEach((link) => secret(link.split("#token=")[1]));
      return found;
    }
    await wait(50);
  }
  throw new Error(`no mails with links to ${wanted.map(([, page]) => page)}`);
}

// What a person reads of the mail.
function plain(file) {
  const read = "import email, sys; mail = email.message_from_file(open(sys.argv[1])); " +
    "print(mail['to'], mail.get_payload(0).get_payload(decode=True).decode())";
  return execFileSync("python3", ["-c", read, file], { encoding: "utf8" });
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
try {
  expect((await post("/auth/register", { email, password: "a sword in a stone" })).status, 201, "registration");
  const page = await browser.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  const status = page.locator("#status");
  const bearer = async (password) => {
    const { answer } = await login(password);
    return { headers: { Authorization: `Bearer ${answer.access_token}` } };
  };
  const verified = async () => {
    const me = await fetch(`${address}/users/me`, await bearer("a sword in a stone"));
    return (await me.json()).is_verified;
  };

  await page.goto(await link("/auth/request-verify-token", "verify"));
  await page.locator("form button").waitFor();
  expect(page.url(), `${address}/verify`, "the token in the address bar");
  expect(await verified(), false, "an address before the click");
  await page.click("form button");
  await status.filter({ hasText: "Your address is confirmed." }).waitFor();
  expect(await verified(), true, "an address after the click");

  const reset = await link("/auth/forgot-password", "reset-password");
  await page.goto(reset);
  await page.fill("#password", "short");
  await page.click("form button");
  await status.filter({ hasText: "Password should be at least 8 characters." }).waitFor();
  faults.length = 0; // the browser reports the refusal as an error of its own
  await page.fill("#password", "the holy grail itself");
  await page.click("form button");
  await status.filter({ hasText: "Your new password is set." }).waitFor();
  expect(page.url(), `${address}/reset-password`, "the token in the address bar");
  expect((await login("a sword in a stone")).status, 400, "the old password");
  expect((await login("the holy grail itself")).status, 200, "the new password");
  expect(faults.join("; "), "", "errors on the pages");

  await page.goto("about:blank");
  await page.goto(reset);
  await page.fill("#password", "the holy grail again");
  await page.click("form button");
  await status.filter({ hasText: "This link is no longer good." }).waitFor();

  const ask = async () => {
    const { headers } = await bearer("the holy grail itself");
    headers["Content-Type"] = "application/json";
    const body = JSON.stringify({ email: moved, current_password: "the holy grail itself" });
    const response = await fetch(`${address}/users/me`, { method: "PATCH", headers, body });
    expect((await response.json()).email, email, "an address that waits");
  };
  const [confirm, undo] = await links(ask, [[moved, "confirm-email-change"], [email, "undo-email-change"]]);
  faults.length = 0;
  await page.goto(confirm);
  await page.click("form button");
  await status.filter({ hasText: "Your new address is confirmed." }).waitFor();
  expect(page.url(), `${address}/confirm-email-change`, "the token in the address bar");
  expect((await login("the holy grail itself")).status, 400, "the old address");
  await page.goto(undo);
  await page.click("form button");
  await status.filter({ hasText: "Your address is the old one." }).waitFor();
  expect((await login("the holy grail itself")).status, 400, "a password that whoever changed the address knew");
  expect(faults.join("; "), "", "errors on the pages");
  await page.goto(await link("/auth/forgot-password", "reset-password"));
  await page.fill("#password", "the holy grail again");
  await page.click("form button");
  await status.filter({ hasText: "Your new password is set." }).waitFor();
  expect((await login("the holy grail again")).status, 200, "the owner");
  console.log("confirmed an address, set a new password, changed the address and took it back by the links of the mails");
} finally {
  await browser.close();
}
