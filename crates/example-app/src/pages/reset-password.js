import { onSubmit } from "./page.js";

const password = document.getElementById("password");
document.getElementById("show").addEventListener("change", ({ target }) => {
  password.type = target.checked ? "text" : "password";
});

function explain({ code, detail, errors }) {
  if (code === "RESET_PASSWORD_BAD_TOKEN") return "This link is no longer good. Please ask for another mail.";
  if (code === "RESET_PASSWORD_INVALID_PASSWORD") return `${detail.reason}.`;
  if (code === "VALIDATION_ERROR") return `${errors[0].message}.`;
}

onSubmit(
  "auth/reset-password",
  () => ({ password: password.value }),
  "Your new password is set. You can log in with it now.",
  explain,
);
