// Logs in through the Authorize button of the docs page in a real browser, and calls a guarded route with it.
import { chromium } from "playwright-core";
import { secret } from "./secret.mjs";

const address = process.argv[2];
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
try {
  const page = await browser.newPage();
  const foreign = [];
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith("data:") && !url.startsWith("blob:")) foreign.push(url);
  });
  page.on("response", async (answer) => {
    if (answer.url().endsWith("/login")) secret((await answer.json()).access_token);
  });
  await page.goto(`${address}/docs/`);
  await page.click("button.authorize");
  const form = page.locator(".auth-container", { hasText: "jwt (OAuth2" }).first();
  await form.locator('input[type="text"]').first().fill(secret("admin@example.com"));
  await form.locator('input[type="password"]').first().fill(secret("correct horse battery"));
  await form.locator('button:has-text("Authorize")').click();
  await form.locator('button:has-text("Logout")').waitFor();
  await page.click("button.btn-done");
  const me = page.locator('[id$="users_current_user_users_me_get"]').first();
  await me.click();
  await me.locator("button.try-out__btn").click();
  await me.locator("button.execute").click();
  const answer = me.locator(".live-responses-table .microlight, .live-responses-table code").first();
  await answer.waitFor();
  const text = await me.locator(".live-responses-table").innerText();
  if (!text.includes("admin@example.com")) throw new Error(`no user in the answer: ${text}`);
  if (foreign.length > 0) throw new Error(`the page asked other hosts: ${foreign.join(", ")}`);
  console.log("signed in from the docs page and called /users/me");
} finally {
  await browser.close();
}
