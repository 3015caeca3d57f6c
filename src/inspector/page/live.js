// What happens now, and what starts the page.

const live = {
  about: { proxies: [], can_act: false },
  nothingYet: "No exchange yet.",
  /** What came since the last frame, by id: of several events of one exchange only the last counts. */
  waiting: new Map(),
  isPaused: false,
  isLoaded: false,
  source: null,
  /** The failures that were not told yet: the first of them, and how many. */
  untold: { first: null, count: 0 },
};

const HIDDEN_PAUSE = 500;
const RETRY = 3000;
const TELL_EVERY = 1500;

let taking = 0;
/** Takes in what came, with the next frame; a page that nobody sees gets no frames. */
function takeSoon() {
  if (taking || !live.isLoaded) return;
  taking = 1;
  if (document.hidden) setTimeout(takeWaiting, HIDDEN_PAUSE);
  else requestAnimationFrame(takeWaiting);
}

function takeWaiting() {
  taking = 0;
  if (live.waiting.size === 0) return;
  const came = [...live.waiting.values()];
  live.waiting.clear();
  const failures = takeIn(came);
  drawList();
  tell(failures);
  const opened = came.find((one) => one.id === detail.id);
  if (opened) refreshSoon();
  if (store.filter.bodies) searchBodies();
}

let telling = 0;
/** Tells new failures to who cannot see them, in few words where there are many. */
function tell(failures) {
  live.untold.first ??= failures[0] ?? null;
  live.untold.count += failures.length;
  const { first, count } = live.untold;
  if (telling || first === null) return;
  const others = count - 1;
  live.untold = { first: null, count: 0 };
  const text = `Exchange ${first.id} failed: ${first.method} ${visible(first.target)}: ${visible(first.reason ?? words(first.outcome))}`;
  setText(byId("failures"), others > 0 ? `${text}. ${others} more failed.` : text);
  telling = setTimeout(() => {
    telling = 0;
    tell([]);
  }, TELL_EVERY);
}

let refreshing = 0;
let readTook = 0;
/** Reads the open exchange anew, soon and not all the time: a session may have many messages a second. */
function refreshSoon() {
  if (refreshing) return;
  refreshing = setTimeout(async () => {
    const began = performance.now();
    if (detail.id !== null) await openDetail(detail.id);
    readTook = performance.now() - began;
    refreshing = 0;
  }, Math.max(150, readTook * 4));
}

function searchBodies() {
  bodies.readMissing(() => {
    if (store.filter.words.length > 0) refilter();
    drawSoon();
  });
}

let loads = 0;
/** Reads the whole list. What comes meanwhile waits. */
async function loadAll() {
  loads += 1;
  const load = loads;
  live.isLoaded = false;
  const answer = await read("exchanges");
  if (load !== loads) return;
  replaceAll(answer);
  live.isLoaded = true;
  // An event that came while the list was read may be older than the list says, but never wrong for long: another follows.
  takeSoon();
  drawSoon();
  if (store.filter.bodies) searchBodies();
}

const loadOrComplain = () => loadAll().catch(complain);

function showLink(state) {
  const node = byId("link");
  const texts = { live: "Live", paused: "Paused", lost: "Connection lost, trying again", starting: "Connecting" };
  node.dataset.state = state;
  setText(node, texts[state]);
}

function onExchange(event) {
  const summary = JSON.parse(event.data);
  if (live.isPaused) {
    live.missed = Math.max(live.missed, summary.id);
    setText(byId("link"), live.missed > store.newest ? `Paused, ${live.missed - store.newest} newer` : "Paused");
    return;
  }
  live.waiting.set(summary.id, summary);
  takeSoon();
}

function clearAll() {
  live.waiting.clear();
  store.all.clear();
  store.leftOut = 0;
  bodies.texts.clear();
  refilter();
  if (detail.id !== null) closeDetail();
  list.cursor = null;
  drawSoon();
}

function connect() {
  let wasLost = false;
  const source = new EventSource("api/events");
  live.source = source;
  source.addEventListener("open", () => {
    showLink(live.isPaused ? "paused" : "live");
    if (wasLost && !live.isPaused) loadOrComplain();
    wasLost = false;
  });
  source.addEventListener("error", () => {
    wasLost = true;
    showLink("lost");
    if (source.readyState !== EventSource.CLOSED) return;
    // The browser has given up; the process may come back under the same address all the same.
    setTimeout(() => {
      connect();
      if (!live.isPaused) loadAll().catch(() => {});
    }, RETRY);
  });
  source.addEventListener("exchange", onExchange);
  source.addEventListener("message", (event) => {
    if (!event.data || live.isPaused) return;
    if (JSON.parse(event.data).id === detail.id) refreshSoon();
  });
  source.addEventListener("cleared", clearAll);
  source.addEventListener("behind", () => !live.isPaused && loadOrComplain());
  source.addEventListener("keys", () => byId("keys").open && readKeys().catch(inKeys));
  source.addEventListener("faults", () => live.about.can_act && readFaults().catch(() => {}));
}

function setPaused(isPaused) {
  live.isPaused = isPaused;
  live.missed = store.newest;
  byId("pause").ariaPressed = isPaused;
  setText(byId("pause"), isPaused ? "Resume" : "Pause");
  showLink(isPaused ? "paused" : "live");
  if (isPaused) return;
  loadOrComplain();
  refreshDetail();
}

/** Applies what filter and search say. */
function applyFilter() {
  store.filter = {
    words: parseSearch(byId("search").value),
    outcome: byId("by-outcome").value,
    kind: byId("by-kind").value,
    proxy: byId("by-proxy").value,
    bodies: byId("in-bodies").checked,
  };
  refilter();
  list.grid.scrollTop = 0;
  list.drawn.first = null;
  drawSoon();
  if (store.filter.bodies) searchBodies();
}

function unfilter() {
  byId("filters").reset();
  applyFilter();
  list.grid.focus();
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  const isWriting = event.target.matches("input, textarea, select");
  if (event.key === "/" && !isWriting) {
    event.preventDefault();
    if (!isWide()) closeDetail();
    byId("search").focus();
    byId("search").select();
  } else if (event.key === "Escape") {
    if (event.target === byId("search") && event.target.value !== "") {
      event.target.value = "";
      applyFilter();
    } else if (detail.id !== null) {
      closeDetail();
    } else {
      list.grid.focus();
    }
    event.preventDefault();
  } else if (event.target === byId("search") && (event.key === "Enter" || event.key === "ArrowDown")) {
    event.preventDefault();
    list.grid.focus();
    moveTo(0);
  }
}

function showAbout(about) {
  live.about = about;
  const named = about.proxies.map((one) => `${one.name} (${one.mode}): ${one.address} → ${one.upstream}`);
  setText(byId("proxies"), named.join("; "));
  byId("proxies").title = `Alewife ${about.version}`;
  for (const button of document.querySelectorAll("[data-act]")) button.hidden = !about.can_act;
  const options = () => about.proxies.map((one) => el("option", { value: one.name }, one.name));
  byId("send-proxy").replaceChildren(...options());
  byId("by-proxy").append(...options());
  for (const id of ["by-proxy", "send-proxy", "send-proxy-label"]) byId(id).hidden = about.proxies.length < 2;
  const [first] = about.proxies;
  if (first) live.nothingYet = `No exchange yet. What is sent to ${first.address} shows up here.`;
}

async function start() {
  showLink("starting");
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", applyFilter);
  byId("unfilter").addEventListener("click", unfilter);
  byId("pause").addEventListener("click", () => setPaused(!live.isPaused));
  byId("compose").addEventListener("click", () => openSend());
  acting(byId("clear"), () => ask("exchanges", { method: "DELETE" }));
  byId("alert").addEventListener("click", () => setText(byId("alert"), ""));
  document.addEventListener("keydown", onKey);
  // A frame that was asked for before the page was hidden does not come.
  document.addEventListener("visibilitychange", () => live.isLoaded && takeWaiting());
  connect();
  showAbout(await read("about"));
  await loadAll();
  if (live.about.can_act) await readFaults();
  const opened = /^#(\d+)$/.exec(location.hash);
  if (opened) {
    list.cursor = Number(opened[1]);
    await openDetail(list.cursor);
  }
  document.documentElement.dataset.ready = "true";
}

start().catch(complain);
