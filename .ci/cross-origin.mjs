// Lets pages of other origins act against somebody who is signed in by cookie, in a real browser, and a page of a trusted
// origin act for them. The arguments are the example application and the file of its log.
import { spawn } from "node:child_process";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { secret } from "./secret.mjs";

const PASSWORD = secret("correct horse battery");
const VICTIM = secret("victim@example.com");
const ATTACKER = secret("attacker@example.com");

function check(holds, what) {
  if (!holds) throw new Error(what);
}

// Every name below `localhost` is this machine, for the browser.
const pages = http.createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<title>page</title>"));
await new Promise((ready) => pages.listen(0, "127.0.0.1", ready));
const other = pages.address().port;
const trusted = `http://front.app.localhost:${other}`;

const folder = mkdtempSync(join(tmpdir(), "axum-users-"));
const app = spawn(process.argv[2], [], {
  env: {
    ...process.env, BIND: "127.0.0.1:0", DATABASE_URL: `sqlite://${folder}/users.sqlite`, MAIL_URL: `file:${folder}`,
    FRONTEND_ORIGINS: trusted, LIMIT_PER_CLIENT: "100000", RUST_LOG: "trace",
  },
  stdio: ["ignore", "pipe", openSync(process.argv[3], "a")],
});
const port = await new Promise((found, lost) => {
  let said = "";
  app.stdout.on("data", (text) => {
    said += text;
    const port = said.match(/http:\/\/127\.0\.0\.1:(\d+)/);
    if (port) found(port[1]);
  });
  app.on("exit", () => lost(new Error("the app ended")));
});
const own = `http://app.localhost:${port}`;
for (const email of [VICTIM, ATTACKER]) {
  const answer = await fetch(`http://127.0.0.1:${port}/auth/register`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ email, password: PASSWORD }),
  });
  check(answer.ok, `no account for ${email}: ${answer.status}`);
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

// Signs in by cookie on the pages that call it; answers the status.
const login = (at) => fetch(`${at.api}/auth/cookie/login`, {
  method: "POST", credentials: "include", body: new URLSearchParams({ username: at.email, password: at.password }),
}).then((answer) => answer.status);

const me = (api) => fetch(`${api}/users/me`, { credentials: "include" })
  .then(async (answer) => ({ status: answer.status, email: (await answer.json()).email }))
  .catch(() => "unreadable");

// All that a page can send without asking the browser first, and some that it has to ask for.
const attack = async ({ api, email, password }) => {
  const blind = (path, type, body) => fetch(`${api}${path}`, {
    method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": type }, body,
  }).catch(() => {});
  const form = new URLSearchParams({ username: email, password }).toString();
  await blind("/auth/cookie/login", "application/x-www-form-urlencoded", form);
  await blind("/auth/cookie/logout", "text/plain", "");
  await blind("/auth/cookie/logout-all", "text/plain", "");
  await blind("/auth/sessions/end-all", "text/plain", "");
  await blind("/users/me/delete", "text/plain", JSON.stringify({ current_password: password }));
  await blind("/auth/tokens", "text/plain", JSON.stringify({ name: "stolen", current_password: password }));
  await blind("/auth/register", "text/plain", JSON.stringify({ email: "csrf@example.com", password }));

  const submit = (path, fields, enctype) => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.name = `frame${Math.random()}`;
    document.body.append(frame);
    const form = Object.assign(document.createElement("form"), {
      action: `${api}${path}`, method: "POST", target: frame.name, enctype,
    });
    for (const [name, value] of Object.entries(fields)) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(form);
    setTimeout(() => { frame.onload = done; form.submit(); }, 0);
    setTimeout(done, 3000);
  });
  await submit("/auth/cookie/login", { username: email, password }, "application/x-www-form-urlencoded");
  await submit("/auth/cookie/logout", {}, "application/x-www-form-urlencoded");
  await submit("/users/me/delete", { [`{"current_password":"${password}","x":"`]: '"}' }, "text/plain");

  const asked = (path, method, body) => fetch(`${api}${path}`, {
    method, credentials: "include", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
  }).then((answer) => answer.status, () => "refused by the browser");
  return [
    await asked("/users/me", "PATCH", { email, current_password: password }),
    await asked("/users/me/delete", "POST", { current_password: password }),
    await asked("/auth/sessions/end-all", "POST", {}),
  ];
};

const origins = {
  "another site": `http://evil.localhost:${other}`,
  "another address": `http://127.0.0.1:${other}`,
  "a subdomain": `http://evil.app.localhost:${other}`,
  "another port": `http://app.localhost:${other}`,
  "a suffix of the name": `http://evilapp.localhost:${other}`,
  "no origin (null)": null,
};
const sameSite = ["a subdomain", "another port"];

async function attackers(context, origin) {
  const page = await context.newPage();
  await page.goto(`${origin ?? `http://evil.localhost:${other}`}/`);
  if (origin) return [page, page];
  await page.evaluate(() => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.sandbox = "allow-scripts allow-forms";
    frame.onload = done;
    frame.srcdoc = "<body></body>";
    document.body.append(frame);
  }));
  return [page, page.frames()[1]];
}

try {
  for (const [name, origin] of Object.entries(origins)) {
    const context = await browser.newContext();
    const signIn = await context.newPage();
    await signIn.goto(`${own}/docs/`);
    const status = await signIn.evaluate(login, { api: "", email: VICTIM, password: PASSWORD });
    check(status === 204, `the victim cannot sign in: ${status}`);
    const before = await context.cookies(own);
    check(before.length === 1 && before[0].name.startsWith("__Host-"), "the victim has a cookie");
    secret(before[0].value);

    const [page, frame] = await attackers(context, origin);
    const seen = [];
    page.on("response", (answer) => {
      if (answer.url().startsWith(own) && answer.request().method() === "POST") {
        seen.push({ path: new URL(answer.url()).pathname, status: answer.status() });
      }
    });
    const asked = await frame.evaluate(attack, { api: own, email: ATTACKER, password: PASSWORD });
    check(asked.every((answer) => answer === "refused by the browser"), `${name}: ${asked}`);
    check((await frame.evaluate(me, own)) === "unreadable", `${name} reads who is signed in`);
    check(seen.length >= 6, `${name}: only ${seen.length} requests arrived`);
    const passed = seen.filter(({ status }) => status < 400);
    check(passed.length === 0, `${name} got through: ${JSON.stringify(passed)}`);
    if (sameSite.includes(name)) {
      const logouts = seen.filter(({ path }) => path === "/auth/cookie/logout");
      check(logouts.length > 0 && logouts.every(({ status }) => status === 403), `${name}: ${JSON.stringify(logouts)}`);
    }

    const after = await context.cookies(own);
    check(after.length === 1 && after[0].value === before[0].value, `${name} changed the cookie`);
    const who = await signIn.evaluate(me, "");
    check(who.status === 200 && who.email === VICTIM, `${name} changed who is signed in: ${JSON.stringify(who)}`);
    await context.close();

    // Nobody is signed in yet: nobody may be signed in as the attacker.
    const fresh = await browser.newContext();
    const [, first] = await attackers(fresh, origin);
    await first.evaluate(attack, { api: own, email: ATTACKER, password: PASSWORD });
    check((await fresh.cookies(own)).length === 0, `${name} signed somebody in`);
    await fresh.close();
    console.log(`${name}: ${seen.length} requests refused`);
  }

  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${trusted}/`);
  const status = await page.evaluate(login, { api: own, email: VICTIM, password: PASSWORD });
  check(status === 204, `a trusted page cannot sign in: ${status}`);
  const who = await page.evaluate(me, own);
  check(who.email === VICTIM, `a trusted page cannot read: ${JSON.stringify(who)}`);
  const out = await page.evaluate((api) => fetch(`${api}/auth/cookie/logout`, { method: "POST", credentials: "include" })
    .then((answer) => answer.status), own);
  check(out === 204 && (await context.cookies(own)).length === 0, `a trusted page cannot sign out: ${out}`);
  console.log("a trusted origin: signed in, read, signed out");
} finally {
  await browser.close();
  app.kill();
  pages.close();
  rmSync(folder, { recursive: true, force: true });
}
