/**
 * Records the first steps with the command for the README: `node packages/cli/test/recording/record.ts`. What is shown is what the real command wrote to
 * a terminal; when it appears is made up, so that it reads well however slow the machine was.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { home, type Process } from "../harness/binary.ts"
import { linesOf, type Piece, wrapped } from "./cells.ts"
import { type Line, picture } from "./svg.ts"

const columns = 90
const perKey = 40
const afterTyping = 350
const afterAnswer = 1_400

const place = home(40_879)
const env = { PNET_NETWORK_ID: "home" }

let now = 600
const first: Array<Line> = []
const second: Array<Line> = []

const look = { bold: false, dim: false, colour: undefined }
const prompt: Piece = { text: "$ ", look: { ...look, colour: "green" } }

const typed = (pane: Array<Line>, words: string): void => {
  const typing = words.length * perKey
  pane.push({ at: now, typing, pieces: [prompt, { text: words, look }] })
  now += typing + afterTyping
}

const shown = (pane: Array<Line>, lines: ReadonlyArray<ReadonlyArray<Piece>>): void => {
  for (const pieces of wrapped(lines, columns)) pane.push({ at: now, pieces })
}

let seen = 0
/** What the node in the first terminal has said meanwhile. */
const more = (up: Process): void => {
  const lines = linesOf(up.stdout())
  shown(first, lines.slice(seen))
  seen = lines.length
}

/** Words of a command line, as a shell has them. */
const split = (line: string): ReadonlyArray<string> =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)

const begin = (line: string): Process => {
  typed(first, `pnet ${line}`)
  return place.start(split(line), { columns, env: { ...env, PNET_NAME: "bob" } })
}

const run = Effect.fnUntraced(function*(line: string, up: Process) {
  typed(second, `pnet ${line}`)
  const how = { columns, env: { ...env, PNET_NAME: "alice" } }
  const { stdout } = yield* Effect.promise(() => place.run(split(line), how))
  shown(second, linesOf(stdout))
  more(up)
  now += afterAnswer
})

const says =
  "Two terminals. In one pnet up serves a command of the shell; in the other pnet peers, functions, call and send reach it."

const record = Effect.gen(function*() {
  yield* Effect.sync(() => {
    mkdirSync(join(place.folder, "photos"))
    for (const [name, size] of [["sea.jpg", 3_141_592], ["shore.jpg", 2_718_281]] as const) {
      writeFileSync(join(place.folder, "photos", name), new Uint8Array(size))
    }
  })
  const up = begin("up --open --receive inbox --fn 'add(a: int, b: int)=echo $(($1 + $2))'")
  yield* Effect.promise(() => up.says("bob is up"))
  more(up)
  now += afterAnswer
  yield* run("peers", up)
  yield* run("functions bob", up)
  yield* run("call bob add 20 22", up)
  yield* run("call bob add 20 many", up)
  yield* run("send bob photos", up)
  up.type("\u0003")
  yield* Effect.promise(() => up.ended)
  yield* Effect.sync(() =>
    writeFileSync(
      fileURLToPath(new URL("../../../../docs/terminal.svg", import.meta.url)),
      picture([{ title: "bob", lines: first }, { title: "alice", lines: second }], columns, says)
    )
  )
}).pipe(Effect.ensuring(Effect.sync(() => place.close())))

NodeRuntime.runMain(record)
