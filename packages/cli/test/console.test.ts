/** `console` in a process of its own: its link, and how the browser is told of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { home, makePage, type Process, terminals } from "./harness/binary.ts"
import { values } from "./harness/desk.ts"

const place = home(40_869)
afterAll(() => place.close())

beforeAll(makePage, 120_000)

const says = (running: Process, text: string) => Effect.promise(() => running.says(text))
const ended = (running: Process) => Effect.promise(() => running.ended)

/** The status of an answer, and its cookie. */
const ask = (url: string, cookie?: string) =>
  Effect.map(
    Effect.promise(() => fetch(url, cookie === undefined ? {} : { headers: { cookie } })),
    ({ headers, status }) => ({ status, cookie: String(headers.get("set-cookie")).split(";", 1)[0]! })
  )

/** A console with its link and its page. */
const started = (port: number) =>
  Effect.gen(function*() {
    const running = place.start(["console", "--json", "--page-port", String(port)])
    yield* says(running, "\n")
    const [said] = values(running.stdout())
    assert.deepInclude(said, { type: "console", act: false })
    return { running, link: String(said!["link"]), port: Number(said!["port"]) }
  })

describe("console", () => {
  it.live("prints a link that lets in once, and knows the browser again at its next start", () =>
    Effect.gen(function*() {
      const { link, port, running } = yield* started(0)
      const { cookie, status } = yield* ask(link)
      assert.strictEqual(status, 200)
      assert.strictEqual((yield* ask(link)).status, 403)
      const page = `http://127.0.0.1:${port}/`
      assert.notStrictEqual((yield* ask(page, cookie)).status, 403)
      assert.strictEqual((yield* ask(page)).status, 403)
      running.child.kill("SIGINT")
      assert.strictEqual((yield* ended(running)).code, 130)

      const again = yield* started(port)
      assert.notStrictEqual((yield* ask(page, cookie)).status, 403)
      again.running.child.kill("SIGINT")
      yield* ended(again.running)
      assert.strictEqual(statSync(join(place.env["XDG_STATE_HOME"]!, "pnet/console.secret")).mode & 0o777, 0o600)
    }))

  it.live.runIf(terminals && process.platform === "linux")(
    "opens the browser by a file that no other user reads, since others see the words of commands",
    () =>
      Effect.gen(function*() {
        const folder = join(place.folder, "opener")
        const told = join(folder, "told")
        mkdirSync(folder)
        const script =
          `#!/bin/sh\nstat -c %a "$1" > "${told}.mode"; cat "$1" > "${told}.part"; mv "${told}.part" "${told}"\n`
        writeFileSync(join(folder, "xdg-open"), script)
        chmodSync(join(folder, "xdg-open"), 0o755)
        const opening = place.start(["console", "--page-port", "0"], {
          columns: 100,
          env: { PATH: `${folder}:${process.env["PATH"]}` }
        })
        yield* says(opening, "token=")
        while (!existsSync(told)) yield* Effect.sleep(25)
        assert.strictEqual(readFileSync(`${told}.mode`, "utf8").trim(), "600")
        const [, link] = /url=(http:[^"]+)"/.exec(readFileSync(told, "utf8"))!
        assert.strictEqual((yield* ask(link!)).status, 200)
        opening.type("\u0003")
        yield* ended(opening)
      })
  )
})
