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
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { Mock } from "./mock.mjs";
import { launch, runChecks } from "./run.mjs";
import { checks as acts } from "./checks/act.mjs";
import { checks as details } from "./checks/detail.mjs";
import { checks as lists } from "./checks/list.mjs";
import { checks as loads } from "./checks/load.mjs";
import { checks as safety } from "./checks/safety.mjs";
import { checks as sessions } from "./checks/session.mjs";
import { checks as shots } from "./checks/shots.mjs";
import { checks as strangers } from "./checks/strangers.mjs";

async function main([first, second]) {
  const mockOnly = first === "--mock-only";
  const mock = mockOnly || first === "--mock" ? await Mock.start(second ?? fileURLToPath(new URL("../../../src/inspector/page.html", import.meta.url))) : null;
  const base = mock?.url ?? first;
  if (!base?.endsWith("/")) throw new Error("usage: inspector.mjs http://127.0.0.1:PORT/TOKEN/ | --mock PAGE | --mock-only");
  const shotsFolder = process.env.ALEWIFE_INSPECTOR_SHOTS;
  if (shotsFolder) mkdirSync(shotsFolder, { recursive: true });
  const browser = await launch();
  const world = { browser, mock, base, shotsFolder };
  const { ALEWIFE_INSPECTOR_ONLY: only = "", ALEWIFE_INSPECTOR_NOT: not } = process.env;
  const runs = (check) => check.name.includes(only) && !(not && check.name.includes(not)) && (!mockOnly || check.mockOnly);
  const all = [...lists, ...details, ...acts, ...sessions, ...safety, ...strangers, ...shots, ...loads].filter(runs);
  try {
    process.exitCode = (await runChecks(all, world)) ? 0 : 1;
  } finally {
    await browser.close();
    mock?.close();
  }
}

await main(process.argv.slice(2));
