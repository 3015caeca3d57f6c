// Screenshots, for people who want to see what it looks like. Only where a folder is named.
import { join } from "node:path";

import { openExchange, rowOf, skip } from "../visit.mjs";

/** Exchanges as a developer's morning has them. */
function fill(mock) {
  const all = [
    { method: "GET", target: "/menu" }, {}, { target: "/orders?table=12" }, { method: "PUT", target: "/orders/17/status", status: 204, reply_bytes: 0 },
    { method: "GET", target: "/orders/99", status: 404 }, { target: "/payments", status: 500, ms: 41.8 },
  ];
  for (const changes of all) mock.add(changes);
  mock.refused({ target: "/orders?table=7" });
  const session = mock.session();
  for (const changes of all) mock.add(changes);
  const good = mock.add({ target: "/orders?table=7" });
  const bad = mock.refused({ target: "/orders?table=7", fault: "wrong_tag" });
  mock.add({ method: "GET", target: "/menu?lang=de", state: "open", status: null, outcome: null, ms: null });
  return { good: good.id, bad: bad.id, session: session.id };
}

/** The same of a real process, as far as it can be had. */
async function made(visit) {
  for (const path of ["/menu", "/orders?table=12", "/orders?table=7"]) await visit.ended(await visit.send(path));
  const bad = await visit.sendRefused("/orders?table=7");
  const good = await visit.send("/orders?table=7");
  await Promise.all([bad, good].map((id) => visit.ended(id)));
  return { good, bad };
}

export const checks = ["light", "dark"].map((colorScheme) => ({
  name: `screenshots, ${colorScheme}`,
  async run(visit) {
    const { shotsFolder } = visit.world;
    if (!shotsFolder) return visit.mock ? undefined : skip("ALEWIFE_INSPECTOR_SHOTS names no folder");
    if (visit.mock) await visit.api("exchanges", { method: "DELETE" });
    const { good, bad, session } = visit.mock ? fill(visit.mock) : await made(visit);
    const page = await visit.open({ colorScheme, height: 900, width: 1440 });
    const shoot = (name) => page.screenshot({ path: join(shotsFolder, `inspector-${name}-${colorScheme}.png`) });
    await rowOf(page, bad).waitFor();
    await shoot("list");
    for (const [name, id] of Object.entries({ detail: good, failure: bad, session })) {
      if (!id) continue;
      await openExchange(page, id);
      if (name === "session") await page.locator(".timeline summary").first().click();
      await shoot(name);
    }
    for (const [name, button] of [["keys", "Keys"], ["faults", /^Faults/], ["send", "Edit and send"]]) {
      if (name === "send") await openExchange(page, good);
      await page.getByRole("button", { name: button }).click();
      await page.getByRole("dialog").waitFor();
      await shoot(name);
      await page.keyboard.press("Escape");
    }
    const phone = await visit.open({ colorScheme, width: 360, height: 720 });
    await rowOf(phone, good).waitFor();
    await phone.screenshot({ path: join(shotsFolder, `inspector-phone-list-${colorScheme}.png`) });
    await openExchange(phone, good);
    await phone.screenshot({ path: join(shotsFolder, `inspector-phone-detail-${colorScheme}.png`) });
    return undefined;
  },
}));
