#!/usr/bin/env node
/**
 * The `pnet` command: nothing but its start. What is asked most often, the version, needs nothing of the rest.
 */
// As a whole: what Node 20 has not would keep it from saying that it is too old.
import nodeModule from "node:module"
import { version } from "./version.ts"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
const [first, ...others] = process.argv.slice(2)

if (major < 22 || major === 22 && minor < 19) {
  process.stderr.write(`pnet: it needs Node 22.19 or later, and this is ${process.versions.node}\n`)
  process.exitCode = 1
} else if (others.length === 0 && (first === "--version" || first === "-v")) process.stdout.write(`pnet ${version}\n`)
else if (first === "__complete") void import("./complete/main.ts")
else {
  // What V8 makes of the rest is kept between starts.
  nodeModule.enableCompileCache()
  // What modules of functions import is much, and loaded for them alone.
  const hasModules = others.some((word) => /^--module(=|$)/.test(word))
  void (hasModules ? import("./whole.ts") : import("./start.ts"))
}
