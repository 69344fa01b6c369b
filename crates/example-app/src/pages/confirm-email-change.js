import { onSubmit } from "./page.js";

const refusals = {
  CHANGE_EMAIL_BAD_TOKEN: "This link is no longer good. Please change the address again.",
  CHANGE_EMAIL_ALREADY_EXISTS: "This address has an account of its own by now.",
};

onSubmit(
  "auth/confirm-email-change",
  () => ({}),
  "Your new address is confirmed. You can log in with it now.",
  ({ code }) => refusals[code],
);
