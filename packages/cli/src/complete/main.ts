/**
 * `pnet __complete WORDS…`, which the completions of shells ask for names: a line each. It runs while somebody types, so it loads nothing else, and where something
 * is wrong there are no names.
 */
import { readFileSync } from "node:fs"
import { devNull, homedir, userInfo } from "node:os"
import { homeOf, placesOf } from "../places.ts"
import { candidates } from "./candidates.ts"
import { fileIn, read } from "./seen.ts"

const textOf = (file: string): string | undefined => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

const { env } = process
const home = homeOf([homedir, () => userInfo().homedir], devNull)
const { state } = placesOf({ env, home, windows: process.platform === "win32" })
const names = candidates(process.argv.slice(3), read(textOf(fileIn(state))), env["PNET_NETWORK_ID"])
process.stdout.write(names.map((name) => `${name}\n`).join(""))
