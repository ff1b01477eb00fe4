#!/usr/bin/env node
/**
 * The `pnet` command: nothing but its start. What is asked most often, the version, needs nothing of the rest.
 */
import { version } from "./version.ts"

const [first, ...others] = process.argv.slice(2)

if (others.length === 0 && (first === "--version" || first === "-v")) process.stdout.write(`pnet ${version}\n`)
else void import("./start.ts")
