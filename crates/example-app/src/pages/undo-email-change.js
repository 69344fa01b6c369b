import { onSubmit } from "./page.js";

const refusals = { CHANGE_EMAIL_BAD_TOKEN: "This link is no longer good." };

onSubmit(
  "auth/undo-email-change",
  () => ({}),
  "Your address is the old one. Please set a new password: somebody may know yours.",
  ({ code }) => refusals[code],
);
