// The list. Only the rows that can be seen are in the document, newest on top.

const COLUMNS = ["time", "method", "target", "status", "bytes", "ms", "key"];
const COMPACT_BELOW = 700;
const MARGIN = 6;

const list = {
  grid: byId("grid"),
  rows: byId("rows"),
  pool: [],
  rowHeight: 28,
  headHeight: 29,
  /** The row that the arrows move. */
  cursor: null,
  /** How many were shown and which was on top when it was last drawn, to keep what one looks at in its place. */
  drawn: { first: null },
};

const atIndex = (index) => store.shown[store.shown.length - 1 - index];

/** Where an exchange stands, or -1. Ids grow, so half of what is left is left out at each look. */
function indexOf(id) {
  let from = 0;
  let to = store.shown.length - 1;
  while (from <= to) {
    const middle = (from + to) >> 1;
    if (store.shown[middle].id === id) return store.shown.length - 1 - middle;
    if (store.shown[middle].id < id) from = middle + 1;
    else to = middle - 1;
  }
  return -1;
}

function statusWords(one) {
  if (hasFailed(one)) return `✕ ${one.status ?? words(one.outcome ?? "failed")}`;
  if (one.state === "open") return one.kind === "websocket" && one.status === 101 ? "101 open" : "under way";
  return String(one.status ?? words(one.outcome ?? "done"));
}

function cellsOf(one) {
  const marks = [
    one.kind === "websocket" ? "WS" : null,
    one.repeats ? `repeats ${one.repeats}` : null,
    one.fault ? `fault: ${words(one.fault)}` : null,
  ].filter(Boolean);
  return [
    clock(one.started),
    one.method,
    visible(one.target).slice(0, 400) + (marks.length > 0 ? `  [${marks.join(", ")}]` : ""),
    statusWords(one),
    `${size(one.request_bytes)} / ${size(one.reply_bytes)}`,
    millis(one.ms),
    one.key ?? "",
  ];
}

function newRow() {
  const cells = COLUMNS.map((column) => el("span", { role: "gridcell", class: `c-${column}` }));
  const row = el("div", { role: "row", class: "row" }, cells);
  list.rows.append(row);
  return { row, cells };
}

function fillRow({ row, cells }, one, index) {
  cellsOf(one).forEach((text, i) => setText(cells[i], text));
  row.id = `row-${one.id}`;
  row.dataset.id = one.id;
  row.title = one.reason ? visible(one.reason) : "";
  row.className = `row${hasFailed(one) ? " failed" : ""}${one.state === "open" ? " open-yet" : ""}`;
  row.ariaRowIndex = index + 2;
  row.ariaSelected = one.id === list.cursor;
  row.ariaCurrent = one.id === detail.id ? "true" : null;
  row.style.transform = `translateY(${index * list.rowHeight}px)`;
}

/** Whoever has scrolled down goes on seeing the same rows while others come in on top. */
function keepPlace() {
  const { first } = list.drawn;
  if (first === null || list.grid.scrollTop < list.rowHeight) return;
  const index = indexOf(first.id);
  if (index >= 0 && index !== first.index) list.grid.scrollTop += (index - first.index) * list.rowHeight;
}

/** Draws what can be seen now. */
function drawList() {
  const count = store.shown.length;
  list.rows.style.height = `${count * list.rowHeight}px`;
  keepPlace();
  const top = list.grid.scrollTop;
  const from = Math.max(0, Math.floor(top / list.rowHeight) - MARGIN);
  const to = Math.min(count, Math.ceil((top + list.grid.clientHeight) / list.rowHeight) + MARGIN);
  while (list.pool.length < to - from) list.pool.push(newRow());
  while (list.pool.length > to - from) list.pool.pop().row.remove();
  // An id may stand on two rows for a moment while they are filled, so all are taken away first.
  for (const { row } of list.pool) row.removeAttribute("id");
  for (let index = from; index < to; index += 1) fillRow(list.pool[index - from], atIndex(index), index);
  const topmost = Math.min(count - 1, Math.floor(top / list.rowHeight));
  list.drawn.first = topmost >= 0 ? { id: atIndex(topmost).id, index: topmost } : null;
  list.grid.ariaRowCount = count + 1;
  if (byId(`row-${list.cursor}`)) list.grid.setAttribute("aria-activedescendant", `row-${list.cursor}`);
  else list.grid.removeAttribute("aria-activedescendant");
  drawCounts(count);
}

function drawCounts(count) {
  const all = store.all.size;
  const shown = count === all ? `${all} exchanges` : `${count} of ${all} exchanges`;
  setText(byId("counts"), store.leftOut > 0 ? `${shown}, ${store.leftOut} older left out` : shown);
  byId("empty").hidden = count > 0;
  byId("unfilter").hidden = all === 0;
  setText(byId("empty-words"), all > 0 ? "No exchange matches." : live.nothingYet);
}

let drawing = 0;
/** Draws with the next frame, however often it is asked for. */
function drawSoon() {
  if (drawing) return;
  drawing = requestAnimationFrame(() => {
    drawing = 0;
    drawList();
  });
}

function scrollTo(index) {
  const top = index * list.rowHeight;
  const height = list.grid.clientHeight - list.headHeight;
  if (top < list.grid.scrollTop) list.grid.scrollTop = top;
  else if (top + list.rowHeight > list.grid.scrollTop + height) list.grid.scrollTop = top + list.rowHeight - height;
}

/** Moves the cursor to a place in the list. An open detail follows, where both are in sight. */
function moveTo(index) {
  if (store.shown.length === 0) return;
  const to = Math.max(0, Math.min(store.shown.length - 1, index));
  list.cursor = atIndex(to).id;
  scrollTo(to);
  list.drawn.first = null;
  drawList();
  if (detail.id !== null && isWide()) followCursor();
}

const isWide = () => !matchMedia("(max-width: 860px)").matches;

let following = 0;
function followCursor() {
  clearTimeout(following);
  // Who runs along the list does not want each exchange read on the way.
  following = setTimeout(() => list.cursor !== null && detail.id !== null && openDetail(list.cursor), 90);
}

function onListKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const page = Math.max(1, Math.floor(list.grid.clientHeight / list.rowHeight) - 2);
  const at = list.cursor === null ? -1 : indexOf(list.cursor);
  const moves = {
    ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: store.shown.length - 1,
  };
  if (event.key in moves) {
    event.preventDefault();
    moveTo(moves[event.key]);
  } else if ((event.key === "Enter" || event.key === " ") && at >= 0) {
    event.preventDefault();
    openDetail(list.cursor, { focus: true });
  }
}

function measureList() {
  const isCompact = list.grid.clientWidth < COMPACT_BELOW;
  list.grid.classList.toggle("compact", isCompact);
  const height = isCompact ? 46 : 28;
  if (height !== list.rowHeight) {
    const first = list.drawn.first?.index ?? 0;
    list.rowHeight = height;
    list.rows.style.height = `${store.shown.length * height}px`;
    list.grid.scrollTop = first * height;
  }
  list.headHeight = isCompact ? 0 : 29;
  drawSoon();
}

list.grid.addEventListener("scroll", drawSoon, { passive: true });
list.grid.addEventListener("keydown", onListKey);
list.rows.addEventListener("click", (event) => {
  const row = event.target.closest(".row");
  if (!row) return;
  list.cursor = Number(row.dataset.id);
  openDetail(list.cursor);
});
new ResizeObserver(measureList).observe(list.grid);
