#!/usr/bin/env node
// The inspector's page, looked at in Chromium as a person would and through its accessibility tree. Prints TAP.
//
//   node inspector.mjs http://127.0.0.1:PORT/TOKEN/     against a process that captures, and may act
//   node inspector.mjs --mock src/inspector/page.html   against an API without a sidecar (mock.mjs)
//   node inspector.mjs --mock-only                      the same, but only what cannot be checked against a process
//
// Both ways the same checks run; what takes a server that does as it is told runs against the mock only, what a real one
// refuses against that only, and each is skipped otherwise. A real process seals under GCM and has an application behind it that answers every method and path
// with 200. Whoever starts this has opened a WebSocket and sent a few messages before, and where the list holds 5,000
// exchanges or more, the page's response is measured as well.
//
//   ALEWIFE_CHROMIUM             the browser, unless `chromium` is on the PATH
//   ALEWIFE_INSPECTOR_SHOTS      a folder for screenshots, light and dark
//   ALEWIFE_INSPECTOR_ONLY       a part of the names of the checks that shall run
//   ALEWIFE_INSPECTOR_NOT        a part of the names of those that shall not
//   ALEWIFE_INSPECTOR_STRICT=1   a check that is skipped fails, but for those of the other way
import { accessSync, constants, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Mock } from "./mock.mjs";
import { Visit } from "./visit.mjs";
import { checks as acts } from "./checks/act.mjs";
import { checks as details } from "./checks/detail.mjs";
import { checks as lists } from "./checks/list.mjs";
import { checks as loads } from "./checks/load.mjs";
import { checks as safety } from "./checks/safety.mjs";
import { checks as sessions } from "./checks/session.mjs";
import { checks as shots } from "./checks/shots.mjs";
import { FOREIGN, checks as strangers } from "./checks/strangers.mjs";

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

async function main([first, second]) {
  const { chromium } = require("playwright-core");
  const mockOnly = first === "--mock-only";
  const mock = mockOnly || first === "--mock" ? await Mock.start(second ?? fileURLToPath(new URL("../../../src/inspector/page.html", import.meta.url))) : null;
  const base = mock?.url ?? first;
  if (!base?.endsWith("/")) throw new Error("usage: inspector.mjs http://127.0.0.1:PORT/TOKEN/ | --mock PAGE | --mock-only");
  const shotsFolder = process.env.ALEWIFE_INSPECTOR_SHOTS;
  if (shotsFolder) mkdirSync(shotsFolder, { recursive: true });
  const browser = await chromium.launch({ executablePath: findChromium(), headless: true, args: ["--no-sandbox", `--host-resolver-rules=MAP ${FOREIGN} 127.0.0.1`] });
  const world = { browser, mock, base, shotsFolder, require };
  const { ALEWIFE_INSPECTOR_ONLY: only = "", ALEWIFE_INSPECTOR_NOT: not } = process.env;
  const runs = (check) => check.name.includes(only) && !(not && check.name.includes(not)) && (!mockOnly || check.mockOnly);
  const all = [...lists, ...details, ...acts, ...sessions, ...safety, ...strangers, ...shots, ...loads].filter(runs);
  console.log(`TAP version 14\n1..${all.length}`);
  let failed = 0;
  try {
    for (const [i, check] of all.entries()) if (!(await runCheck(i + 1, check, world))) failed += 1;
  } finally {
    await browser.close();
    mock?.close();
  }
  process.exitCode = failed > 0 || all.length === 0 ? 1 : 0;
}

await main(process.argv.slice(2));
