/**
 * Every `ts` block of the README files, of those for coding assistants, and of `docs/` is a whole program that compiles and does what it says, and every link
 * between them leads somewhere.
 *
 * Each block becomes a module in a scratch folder, at the line it has in its document, so that an error names the place. All of
 * them are type-checked by one run of the compiler under the workspace's own settings. The tests of a block that imports `@effect/vitest`
 * are tests here; any other runs as a program, which has to end by itself with exit code 0, and to print what its comments
 * `// prints: …` say. Each is one file by then, with all that it imports (`Programs`), and they take turns in two processes (`Turns`),
 * as what they all load takes most of the time of a short program.
 *
 * Programs run two at a time, and several runs of this test may share a machine. So that none hears another, the network id of
 * a block (`networkId: "home"`, `PNET_NETWORK_ID: "home"`) gets a suffix of its own, and a port that a block names for adverts
 * (`advertisePort: 4001`) is replaced by a free one, the same for the same number. For this a block that starts a node on real
 * sockets has to name its network, and must not bind to more than loopback.
 */
import { NodeDatagramSocket, NodeServices } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Programs from "@pnet/lab/processes/programs"
import * as Turns from "@pnet/lab/processes/turns"
import { Duration, Effect, Exit, Scope, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"

const root = fileURLToPath(new URL("../../../", import.meta.url))
const tsc = join(root, "node_modules/typescript/bin/tsc")
const alone = join(root, "packages/lab/src/harness/alone.ts")
const scratches = join(root, "packages/examples/.docs")
const scratch = join(scratches, String(process.pid))

interface Block {
  /** Path of the document from the root, and the line of the fence. */
  readonly document: string
  readonly line: number
  readonly code: string
}

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(root, "packages")).flatMap((name) =>
    ["README.md", "AGENTS.md", "llms.txt"].map((file) => `packages/${name}/${file}`)
  ),
  ...readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)
]

const read = (document: string): string => {
  try {
    return readFileSync(join(root, document), "utf8")
  } catch {
    return ""
  }
}

const blocks: ReadonlyArray<Block> = documents.flatMap((document) => {
  const found: Array<Block> = []
  let open:
    | { readonly fence: string; readonly info: string; readonly line: number; readonly code: Array<string> }
    | undefined
  for (const [index, text] of read(document).split("\n").entries()) {
    const [, fence, info] = /^(`{3,})\s*(.*)$/.exec(text) ?? []
    if (open === undefined) {
      if (fence !== undefined) open = { fence, info: (info ?? "").trim(), line: index + 1, code: [] }
    } else if (fence === open.fence && info === "") {
      if (/^(ts|typescript|tsx)\b/.test(open.info)) {
        found.push({ document, line: open.line, code: open.code.join("\n") })
      }
      open = undefined
    } else open.code.push(text)
  }
  return found
})

/** The anchors of a document: those of its headings, as GitHub makes them, and those that stand in it. */
const anchors = (document: string) => {
  const text = read(document)
  return [
    ...[...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
      title!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
    ...[...text.matchAll(/<a id="([^"]+)"><\/a>/g)].map(([, id]) => id!)
  ]
}

/** What a document refers to and is not there: other documents, headings, and source files such as `core/src/Raw.ts`. */
const missing = (document: string): ReadonlyArray<string> => {
  const text = read(document)
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)].flatMap(([, path = "", anchor]) => {
    const target = path === "" ? document : join(dirname(document), path)
    if (!existsSync(join(root, target))) return [path]
    return anchor === undefined || anchors(target).includes(anchor) ? [] : [`${path}#${anchor}`]
  })
  const files = [...text.matchAll(/`((?:core|node|testing|examples|bench)\/(?:src|test)\/[^`]+)`/g)].flatMap((
    [, path]
  ) => existsSync(join(root, "packages", path!)) ? [] : [path!])
  return [...links, ...files]
}

const isTest = ({ code }: Block) => /from "@effect\/vitest"/.test(code)
const onRealSockets = ({ code }: Block) => /from "@pnet\/node"/.test(code)

/** Why a block may not be run, if it may not. */
const objection = (block: Block): string | undefined =>
  !onRealSockets(block)
    ? undefined
    : block.code.includes("0.0.0.0")
    ? "it would bind to every interface; show that as text"
    : /BasicNode\.(?:layer|make)\(/.test(block.code) && !/networkId|PNET_NETWORK_ID/.test(block.code)
    ? "it starts a node of no particular network"
    : undefined

const nameOf = (block: Block) =>
  `${block.document.replace(/\.md$/, "").replaceAll(/[^A-Za-z0-9]+/g, "-")}-L${block.line}`
const fileOf = (block: Block) => `${nameOf(block)}.${isTest(block) ? "test.ts" : "ts"}`

/** Of what runs the programs. */
const running = Scope.makeUnsafe()

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped)

const isolated = (block: Block, index: number) =>
  Effect.gen(function*() {
    const ports = new Map<string, number>()
    for (const [, port] of block.code.matchAll(/(?:advertisePort|PNET_ADVERTISE_PORT"?):\s*"?(\d+)/g)) {
      if (port !== undefined && !ports.has(port)) ports.set(port, yield* freePort)
    }
    const code = block.code
      .replaceAll(
        /((?:advertisePort|PNET_ADVERTISE_PORT"?):\s*"?)(\d+)/g,
        (_, before, port) => before + ports.get(port)
      )
      .replaceAll(/((?:networkId|PNET_NETWORK_ID"?)\s*[:=]\s*)"([^"]+)"/g, `$1"$2-${process.pid}-${index}"`)
    // As many lines before it as in the document.
    return `${"\n".repeat(block.line)}${code}\n`
  })

const runnable = blocks.filter((block) => !isTest(block) && objection(block) === undefined)
/** What comes of each of them. */
let ended: ReadonlyArray<Effect.Effect<Turns.Ended>> = []

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const write = (name: string, content: string) => writeFileSync(join(scratch, name), content)

const writeAll = Effect.gen(function*() {
  mkdirSync(scratches, { recursive: true })
  // What a run that was killed has left.
  for (const name of readdirSync(scratches)) {
    if (name === String(process.pid) || !alive(Number(name))) {
      rmSync(join(scratches, name), { recursive: true, force: true })
    }
  }
  mkdirSync(join(scratch, "node_modules/@pnet"), { recursive: true })
  for (const name of readdirSync(join(root, "packages"))) {
    symlinkSync(join(root, "packages", name), join(scratch, "node_modules/@pnet", name), "dir")
  }
  write(
    "tsconfig.json",
    JSON.stringify({
      extends: "../../tsconfig.json",
      include: ["*.ts"],
      // By the declarations of the packages, as who installs them has it; `-b` makes them where they are not of today.
      references: ["core", "files", "node", "testing"].map((name) => ({ path: `../../../${name}` })),
      compilerOptions: {
        noEmit: true,
        composite: false,
        incremental: false,
        tsBuildInfoFile: null,
        declarationMap: false,
        rootDir: "../../../.."
      }
    })
  )
  write("package.json", JSON.stringify({ private: true, type: "module" }))
  for (const [index, block] of blocks.entries()) {
    if (objection(block) === undefined) write(fileOf(block), yield* isolated(block, index))
  }
})

const startAll = Effect.gen(function*() {
  const files = Programs.files(runnable.map((block) => join(scratch, fileOf(block))))
  const turns = [0, 1].map((lane) =>
    Turns.make(files.filter((_, i) => i % 2 === lane).map((file) => ({ file })), {
      cwd: scratch,
      env: environment,
      seconds: 20
    })
  )
  for (const { run } of turns) yield* Effect.forkIn(run, running)
  ended = files.map((_, i) => turns[i % 2]!.ended[i >> 1]!)
})

const environment = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      !/^(VITEST|NODE_ENV|NODE_OPTIONS|FORCE_COLOR|PNET_|TEST$)/.test(name)
    )
  ),
  // All programs load the same modules.
  NODE_COMPILE_CACHE: join(scratch, "cache"),
  NO_COLOR: "1"
}

/** What all blocks together may take, in seconds, on a machine with other work, which may be the compiler for all that there is. */
const all = 900

// What the tools load is the same every day, other than the blocks: it stays compiled, with what all tests start.
const kept = process.env.NODE_COMPILE_CACHE
const ofTools = kept === undefined ? environment : { ...environment, NODE_COMPILE_CACHE: kept }

/** Runs Node in the scratch folder; what it wrote, and its exit code. */
const node = (args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const handle = yield* spawner.spawn(ChildProcess.make(process.execPath, args, { cwd: scratch, env: ofTools }))
    const output = yield* handle.all.pipe(Stream.decodeText(), Stream.mkString)
    return { output, code: (yield* handle.exitCode) as number }
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: Duration.seconds(all),
      orElse: () => Effect.succeed({ output: `it did not end within ${all} seconds`, code: -1 })
    }),
    Effect.provide(NodeServices.layer)
  )

const hint = (text: string) => text.replaceAll(scratch, "").trim()

// Here they are before any test runs, as those of blocks are found by loading them.
await Effect.runPromise(writeAll)
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe.concurrent("documents", () => {
  beforeAll(() => Effect.runPromise(startAll))
  afterAll(() => Effect.runPromise(Scope.close(running, Exit.void)))

  it("have blocks, that say which network they are on and stay on this machine", () => {
    assert.isAbove(blocks.length, 0)
    for (const block of blocks) assert.isUndefined(objection(block), `${block.document}:${block.line}`)
  })

  it("refer to what is there", () => {
    for (const document of documents) assert.deepStrictEqual(missing(document), [], document)
  })

  it.live("compile", () =>
    Effect.map(
      node([alone, "tsc", process.execPath, tsc, "-b", scratch, "--pretty", "false", "--checkers", "1"]),
      ({ code, output }) => assert.strictEqual(code, 0, hint(output))
    ), 910_000)

  for (const [i, block] of runnable.entries()) {
    it.live(
      `${block.document}:${block.line} runs`,
      () =>
        Effect.map(Effect.suspend(() => ended[i]!), ({ code, output }) => {
          assert.strictEqual(code, 0, hint(output))
          for (const [, expected] of block.code.matchAll(/^\s*\/\/ prints: (.+)$/gm)) {
            assert.include(output, expected!)
          }
        }),
      60_000
    )
  }
})

describe("the tests of documents", () => {
  for (const block of blocks.filter((block) => isTest(block) && objection(block) === undefined)) {
    // By the name that this file was loaded by, which is another each time: what was loaded before would find no tests.
    const { href } = new URL(new URL(import.meta.url).search, pathToFileURL(join(scratch, fileOf(block))))
    describe(`${block.document}:${block.line}`, () => import(href))
  }
})
