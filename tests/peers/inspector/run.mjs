// A browser, and checks of a page in it, told as TAP.
import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";

import { FOREIGN, Visit } from "./visit.mjs";

const require = createRequire(import.meta.url);
const CHECK_TIME = 150_000;

function findChromium() {
  if (process.env.ALEWIFE_CHROMIUM) return process.env.ALEWIFE_CHROMIUM;
  const here = process.env.PATH.split(delimiter).map((folder) => join(folder, "chromium")).find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (!here) throw new Error("chromium is not on the PATH, and ALEWIFE_CHROMIUM names none");
  return here;
}

async function within(time, promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`not done within ${time / 1000} s`)), time);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Runs one check and prints what came of it. Returns whether that is well. */
async function runCheck(number, check, world) {
  const began = performance.now();
  const visit = new Visit(world);
  const otherWay = check.mockOnly && !world.mock ? "needs the mock" : check.realOnly && world.mock ? "needs a process" : null;
  let skipped = otherWay;
  let failure = null;
  try {
    if (!skipped) skipped = (await within(CHECK_TIME, check.run(visit))) ?? null;
    if (skipped && !otherWay && process.env.ALEWIFE_INSPECTOR_STRICT === "1") throw new Error(`skipped: ${skipped}`);
  } catch (error) {
    failure = error;
  }
  const complaints = await visit.end();
  if (!failure && complaints.length > 0) failure = new Error(complaints.join("\n"));
  console.log(`${failure ? "not ok" : "ok"} ${number} - ${check.name}${!failure && skipped ? ` # SKIP ${skipped}` : ""}`);
  if (failure) for (const line of String(failure.stack ?? failure).split("\n")) console.log(`# ${line}`);
  if (!skipped) visit.note(`${Math.round(performance.now() - began)} ms`);
  for (const note of visit.notes) console.log(`# ${note}`);
  return !failure;
}

/** Starts the browser, for which FOREIGN is a name of this machine. */
export function launch() {
  const { chromium } = require("playwright-core");
  return chromium.launch({ executablePath: findChromium(), headless: true, args: ["--no-sandbox", `--host-resolver-rules=MAP ${FOREIGN} 127.0.0.1`] });
}

/** Runs all in turn. Returns whether there were any, and all went well. */
export async function runChecks(checks, world) {
  console.log(`TAP version 14\n1..${checks.length}`);
  let failed = 0;
  for (const [i, check] of checks.entries()) if (!(await runCheck(i + 1, check, world))) failed += 1;
  return failed === 0 && checks.length > 0;
}
