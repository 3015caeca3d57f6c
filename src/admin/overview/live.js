// Asks again and again, as long as somebody looks.

const PAUSE = 2000;
const PATIENCE = 10000;
const link = document.getElementById("link");
const tables = TABLES.map((described) => new Table(described));
let timer = null;
let asking = false;
/** When the data that is shown was had, by this clock. */
let had = null;

/** Told to a screen reader when it changes, and only then. */
function say(text, state) {
  if (link.textContent !== text) link.textContent = text;
  link.dataset.state = state;
  document.documentElement.className = state === "lost" && had ? "stale" : "";
}

function show(report) {
  const parts = [`version ${report.version}`, report.pid && `process ${report.pid}`, report.started && `up since ${day(report.started)}`];
  const process = document.getElementById("process");
  const text = parts.filter(Boolean).join(", ");
  if (process.textContent !== text) process.textContent = text;
  for (const table of tables) table.show(report);
}

async function ask() {
  if (asking) return;
  asking = true;
  clearTimeout(timer);
  try {
    const reply = await fetch("status", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    const report = await reply.json();
    show(report);
    had = new Date();
    say("Live", "live");
  } catch {
    const since = had ? `; what is shown is of ${had.toLocaleTimeString("en-GB")}` : "";
    say(`The process does not answer${since}`, "lost");
  }
  asking = false;
  document.documentElement.dataset.ready = "true";
  if (!document.hidden) timer = setTimeout(ask, PAUSE);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else ask();
});
document.getElementById("content").replaceChildren(...tables.map(({ section }) => section));
ask();
