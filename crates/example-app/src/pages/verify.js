import { onSubmit } from "./page.js";

const refusals = {
  VERIFY_USER_BAD_TOKEN: "This link is no longer good. Please ask for another mail.",
  VERIFY_USER_ALREADY_VERIFIED: "Your address is confirmed already.",
};

onSubmit("auth/verify", () => ({}), "Your address is confirmed. You can close this page.", ({ code }) => refusals[code]);
