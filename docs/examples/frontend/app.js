// Talks to the gateway across origins. The session is a cookie that no script can read: there is no token here to keep, to
// send or to lose. What the page wants to know of its session it asks.

const GATEWAY = document.querySelector('meta[name="gateway"]').content;

const show = (id) => document.getElementById(id);

/** A refusal, with the id by which the operator finds it in the log. */
class Refused extends Error {
  constructor(status, code, message, requestId) {
    super(`${message} (${status} ${code}; request ${requestId})`);
    this.status = status;
  }
}

/** Asks the gateway, with the cookie, and gives the answer, or throws what the gateway refused. */
async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(GATEWAY + path, { ...options, credentials: "include", cache: "no-store" });
  } catch {
    // The browser does not say why: no network, or this page's origin is not in `cors.origins`.
    throw new Error(`${GATEWAY} cannot be reached from ${location.origin}`);
  }
  if (answer.ok) return answer;
  const requestId = answer.headers.get("X-Request-ID") ?? "unknown";
  const body = await answer.json().catch(() => ({}));
  const { code = "UNKNOWN", message = answer.statusText } = body.error ?? {};
  throw new Refused(answer.status, code, message, requestId);
}

/** Shows whether somebody is signed in, and who. */
async function refresh() {
  const session = await (await ask("/auth/session")).json();
  show("signed-out").hidden = session.hasToken;
  show("signed-in").hidden = !session.hasToken;
  if (session.hasToken) {
    // textContent, never innerHTML: a name is data.
    show("name").textContent = session.user.name;
    show("expires").dateTime = session.expires_at;
    show("expires").textContent = new Date(session.expires_at).toLocaleString();
  }
}

async function signOut() {
  await ask("/auth/logout", { method: "POST" });
  show("answer").textContent = "";
  await refresh();
}

async function askForPrivate() {
  show("answer").textContent = "";
  try {
    show("answer").textContent = await (await ask("/private")).text();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) await refresh();
    throw error;
  }
}

/** Runs something and shows what went wrong with it. */
function run(action) {
  return async () => {
    show("problem").textContent = "";
    try {
      await action();
    } catch (error) {
      show("problem").textContent = error.message;
    }
  };
}

show("sign-in").href = `${GATEWAY}/auth/login?return_to=/private`;
show("sign-out").addEventListener("click", run(signOut));
show("ask").addEventListener("click", run(askForPrivate));
// Whoever comes back from the sign-in tab, or signed out in another one, sees it.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") run(refresh)();
});
run(refresh)();
