/**
 * Copies a file to every peer: `node packages/examples/src/copy.ts [file]`. Without a file it makes one of 8 MiB.
 *
 * The file is read once, in pieces, and streamed to all peers; the slowest sets the pace, and nobody ever holds all of it. Each peer
 * answers with the hash of what is on its disk. On a terminal a bar shows how far it is. The peers run in this process and the
 * copies are removed at the end, so that there is something to see without a second machine.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { AdvancedNode } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import {
  Cause,
  Clock,
  Console,
  Effect,
  Exit,
  FileSystem,
  Layer,
  Path,
  References,
  Schema,
  Stdio,
  Stream,
  Terminal
} from "effect"
import { createHash } from "node:crypto"

// Nodes of another network id are not there, as far as these can tell.
const networkId = process.env.PNET_NETWORK_ID ?? `copy-${process.pid}`

class CopyFailed extends Schema.TaggedError<CopyFailed>()("CopyFailed", { peers: Schema.Array(Schema.String) }) {
  override get message() {
    return `no true copy at ${this.peers.join(" and ")}`
  }
}

const hashOf = (path: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const hash = createHash("sha256")
    yield* Stream.runForEach(fs.stream(path), (piece) => Effect.sync(() => hash.update(piece)))
    return hash.digest("hex")
  })

/** A node that keeps what it is given in a folder of its own, and says what it has kept. */
const receiver = (name: string, folder: string) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const copy = path.join(folder, `${name}.copy`)
    return yield* AdvancedNode.make({
      name,
      networkId,
      functions: { keep: ({ bytes }) => Effect.andThen(Stream.run(bytes, fs.sink(copy)), hashOf(copy)) }
    })
  })

const mebibytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`

/** A bar that is drawn again at most twenty times a second; elsewhere than on a terminal, nothing. */
const makeBar = (total: number) =>
  Effect.gen(function*() {
    const terminal = yield* Terminal.Terminal
    if (!(yield* (yield* Stdio.Stdio).stdoutIsTerminal)) return { advance: () => Effect.void, clear: Effect.void }
    let done = 0
    let drawn = 0
    return {
      advance: (bytes: number) =>
        Effect.gen(function*() {
          done += bytes
          const now = yield* Clock.currentTimeMillis
          if (now - drawn < 50) return
          drawn = now
          const filled = "#".repeat(Math.round(done / total * 40)).padEnd(40, ".")
          yield* terminal.display(`\r\x1b[2K${filled} ${mebibytes(done)} of ${mebibytes(total)}`)
        }),
      clear: terminal.display("\r\x1b[2K")
    }
  })

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "pnet-copy-" })

  const [given] = yield* (yield* Stdio.Stdio).args
  const file = given ?? path.join(folder, "original")
  if (given === undefined) {
    const pieces = Stream.range(1, 128).pipe(Stream.map((i) => new Uint8Array(65_536).fill(i)), Stream.rechunk(1))
    yield* Stream.run(pieces, fs.sink(file))
  }
  const size = Number((yield* fs.stat(file)).size)
  const expected = yield* hashOf(file)

  yield* receiver("bob", folder)
  yield* receiver("carol", folder)
  const alice = yield* AdvancedNode.make({ name: "alice", networkId })
  yield* Effect.forEach(["bob", "carol"], (name) => alice.peers.awaitPeer(name), { concurrency: "unbounded" })

  const bar = yield* makeBar(size)
  const begin = yield* Clock.currentTimeMillis
  const outcomes = yield* alice
    .sendAll("*", "keep", Stream.tap(fs.stream(file), (piece) => bar.advance(piece.length)))
    .pipe(Effect.ensuring(Effect.ignore(bar.clear)))
  const seconds = ((yield* Clock.currentTimeMillis) - begin) / 1_000

  const failed: Array<string> = []
  for (const [peer, exit] of Object.entries(outcomes)) {
    const verdict = Exit.isFailure(exit)
      ? Cause.prettyErrors(exit.cause)[0]?.message ?? "failed"
      : new TextDecoder().decode(exit.value) === expected
      ? "the same"
      : "another"
    yield* Console.log(`${peer}: ${verdict}`)
    if (verdict !== "the same") failed.push(peer)
  }
  if (failed.length > 0) return yield* new CopyFailed({ peers: failed })
  yield* Console.log(`copied ${mebibytes(size)} to ${Object.keys(outcomes).length} peers in ${seconds.toFixed(2)} s`)
})

program.pipe(
  Effect.scoped,
  Effect.provide(
    Layer.mergeAll(NodePnet.layer, NodeServices.layer, Layer.succeed(References.MinimumLogLevel, "Warn"))
  ),
  NodeRuntime.runMain
)
