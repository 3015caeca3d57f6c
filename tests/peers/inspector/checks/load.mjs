// Ten thousand exchanges, and a thousand events a second.
import assert from "node:assert/strict";

import { rowsAre, skip, until } from "../visit.mjs";

const MANY = 10_000;
const ENOUGH = 5_000;
/** In milliseconds. A page by itself stays below 100; here others have the processor as well. */
const LONGEST = 200;
const PER_MS = 1.1;
/** The machine may be busy with other things, which a page cannot help: within this time one round must be good. */
const PATIENCE = 100_000;

/** How long nothing else could run in the page at worst, while it is scrolled for a second. */
function measure(page) {
  return page.evaluate(async () => {
    const channel = new MessageChannel();
    const end = performance.now() + 1000;
    const gaps = [];
    let last = performance.now();
    let turns = 0;
    await new Promise((done) => {
      channel.port1.onmessage = () => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
        // Once a frame about, and far each time.
        if (turns % 20 === 0) list.grid.scrollTop = (list.grid.scrollTop + 1777) % Math.max(1, list.grid.scrollHeight - list.grid.clientHeight);
        turns += 1;
        if (now < end) setTimeout(() => channel.port2.postMessage(0), 0);
        else done();
      };
      channel.port2.postMessage(0);
    });
    return { longest: Math.max(...gaps), rows: list.pool.length };
  });
}

async function staysResponsive(visit, page, what) {
  const longest = [];
  for (const end = Date.now() + PATIENCE; longest.length === 0 || Date.now() < end;) {
    const measured = await measure(page);
    longest.push(Math.round(measured.longest));
    assert.ok(measured.rows < 100, `${measured.rows} rows are in the document`);
    if (measured.longest < LONGEST) break;
  }
  visit.note(`${what}: longest delay of the event loop ${Math.min(...longest)} ms (rounds: ${longest.join(", ")})`);
  assert.ok(Math.min(...longest) < LONGEST, `${what}: ${longest.join(", ")} ms`);
}

function fillUp(mock) {
  for (let i = mock.exchanges.size; i < MANY; i += 1) mock.add({}, {}, true);
}

export const checks = [
  {
    name: "10,000 exchanges are listed, scrolled and searched without the page standing still",
    async run(visit) {
      if (visit.mock) fillUp(visit.mock);
      const count = (await visit.api("exchanges")).exchanges.length;
      if (count < ENOUGH) return skip(`only ${count} exchanges are kept`);
      const page = await visit.open();
      await rowsAre(page, count);
      await staysResponsive(visit, page, `scrolling through ${count}`);
      const search = () => page.evaluate(() => {
        for (const one of store.all.values()) one.text = null;
        const began = performance.now();
        byId("search").value = "table=77 method:post status:2";
        applyFilter();
        drawList();
        return performance.now() - began;
      });
      const took = await until(`a search within ${LONGEST} ms`, async () => {
        const ms = await search();
        return ms < LONGEST ? ms : null;
      }, PATIENCE);
      visit.note(`a search through ${count} took ${Math.round(took)} ms`);
      return undefined;
    },
  },
  {
    name: "1,000 events a second come in while one scrolls through 10,000",
    mockOnly: true,
    async run(visit) {
      fillUp(visit.mock);
      const page = await visit.open();
      await rowsAre(page, MANY);
      const began = Date.now();
      let sent = 0;
      // Half of them begin, half end, as exchanges do. A tick that comes late makes up for it.
      const flood = setInterval(() => {
        for (const due = Date.now() - began; sent < due * PER_MS; sent += 2) {
          const one = visit.mock.add({ state: "open", status: null, outcome: null, ms: null });
          visit.mock.change(one, { state: "done", status: 200, outcome: "answered", ms: 1 });
        }
      }, 10);
      try {
        await staysResponsive(visit, page, "under a flood");
      } finally {
        clearInterval(flood);
      }
      const rate = Math.round((sent * 1000) / (Date.now() - began));
      visit.note(`${rate} events a second`);
      assert.ok(rate > 1000, `only ${rate} events a second were sent`);
      const newest = [...visit.mock.exchanges.keys()].at(-1);
      await until("the newest is known", () => page.evaluate((id) => store.all.get(id)?.state === "done", newest));
      await rowsAre(page, MANY);
      assert.equal(await page.evaluate(() => store.all.size), MANY);
    },
  },
];
