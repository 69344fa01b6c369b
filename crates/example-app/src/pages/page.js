// What the pages behind the links in mails share.

const form = document.querySelector("form");
const status = document.getElementById("status");
let token = "";

export function say(text) {
  status.textContent = text;
}

// Takes the token out of the address, so that neither the history nor a screenshot keeps it.
function take() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    token = found;
    history.replaceState(null, "", location.pathname);
  }
  form.hidden = !token;
  say(token ? "" : "Open this page by the link in the mail.");
}

async function send(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, ...body }),
      credentials: "omit",
      redirect: "error",
    });
    return { ok: response.ok, answer: await response.json() };
  } catch {
    return { ok: false, answer: {} };
  }
}

// Posts to `path` what `read` gives when the form is sent; `explain` turns a refusal into words.
export function onSubmit(path, read, done, explain) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    say("One moment …");
    const { ok, answer } = await send(path, read());
    button.disabled = false;
    if (ok) {
      token = "";
      form.hidden = true;
      form.reset();
    }
    say(ok ? done : (explain(answer) ?? "That did not work. Please try again in a moment."));
    status.focus();
  });
  addEventListener("hashchange", take);
  take();
}
