/**
 * The demo: three nodes, each a process of its own, find each other over UDP on loopback and talk over TCP, encrypted, with a
 * network key: messages, a typed call, a description of what a node can do, a streamed file, and a call of everyone in the middle
 * of which one is killed. One leaves in order; the others notice. Ends by itself, with exit code 0 only if every step went as
 * it should.
 */
import { NodeDatagramSocket, NodeRuntime, NodeServices } from "@effect/platform-node"
import { NetworkKey } from "@pnet/core"
import { NodeCrypto } from "@pnet/node"
import { Cause, Clock, Console, Effect, Queue, Redacted, Schema, Stream } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { fileURLToPath } from "node:url"

class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", { step: Schema.String, seen: Schema.String }) {
  override get message() {
    return `${this.step}: this did not happen as it should, or not in time. Last seen: ${this.seen}`
  }
}

type Event = { readonly event: string; readonly peer?: string; readonly [key: string]: unknown }

/** What a node said: JSON, a line an event. Lines that are none are for people. */
const parse = (line: string): ReadonlyArray<Event> => {
  const event = Schema.decodeUnknownOption(
    Schema.fromJsonString(Schema.StructWithRest(Schema.Struct({ event: Schema.String }), [
      Schema.Record(Schema.String, Schema.Unknown)
    ]))
  )(line)
  return event._tag === "Some" ? [event.value as Event] : []
}

const started = Clock.currentTimeMillis

/** A node in a process of its own. */
const spawn = (name: string, environment: Record<string, string>) =>
  Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const orders = yield* Queue.unbounded<string, Cause.Done>()
    const events = yield* Queue.unbounded<Event>()
    const handle = yield* spawner.spawn(
      ChildProcess.make(process.execPath, [fileURLToPath(new URL("demo-node.ts", import.meta.url))], {
        env: { ...environment, PNET_NAME: name },
        extendEnv: true,
        stdin: Stream.fromQueue(orders).pipe(Stream.map((line) => `${line}\n`), Stream.encodeText),
        stderr: "inherit",
        killSignal: "SIGKILL"
      })
    )
    yield* handle.stdout.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) => Queue.offerAll(events, parse(line))),
      Effect.ignore,
      Effect.forkScoped
    )
    let last = "nothing"
    /** Waits for an event from each of the peers, in any order, letting others pass. */
    const expectAll = (event: string, peers: ReadonlyArray<string>) =>
      Effect.gen(function*() {
        const missing = new Set(peers)
        while (true) {
          const next = yield* Queue.take(events)
          last = JSON.stringify(next)
          if (next.event === event && (missing.size === 0 || missing.delete(String(next.peer)))) {
            if (missing.size === 0) return next
          }
        }
      }).pipe(Effect.timeoutOrElse({
        duration: "30 seconds",
        orElse: () => Effect.fail(new StepFailed({ step: [name, "waited for", event, ...peers].join(" "), seen: last }))
      }))
    return {
      name,
      tell: (line: string) => Queue.offer(orders, line),
      /** Ends its standard input, which is how it is told to leave. */
      leave: Queue.end(orders),
      expectAll,
      expect: (event: string, ...peers: ReadonlyArray<string>) => expectAll(event, peers),
      kill: handle.kill({ killSignal: "SIGKILL" }),
      exit: handle.exitCode
    }
  })

/** A UDP port that nobody on this machine uses now. */
const freePort = Effect.gen(function*() {
  const socket = yield* NodeDatagramSocket.make({ bind: { address: "127.0.0.1", port: 0 } })
  return (yield* socket.reader).address.port
}).pipe(Effect.scoped)

const program = Effect.gen(function*() {
  const begin = yield* started
  let since = begin
  const say = (text: string) =>
    Effect.gen(function*() {
      const now = yield* started
      yield* Console.log(`${((now - begin) / 1_000).toFixed(2).padStart(6)} s  ${text}  (+${now - since} ms)`)
      since = now
    })

  yield* Console.log("pnet: three nodes, three processes, one network key, on 127.0.0.1\n")
  const environment = {
    PNET_NETWORK_ID: "demo",
    PNET_NETWORK_KEY: Redacted.value(yield* NetworkKey.generate),
    PNET_ADVERTISE_PORT: String(yield* freePort),
    // Shorter than usual, so that the killed node is missed sooner.
    PNET_BROADCAST_INTERVAL: "1 second"
  }

  const alice = yield* spawn("alice", environment)
  const bob = yield* spawn("bob", environment)
  const carol = yield* spawn("carol", environment)
  const nodes = [alice, bob, carol]
  const ports = yield* Effect.forEach(nodes, (node) => node.expect("listening"), { concurrency: "unbounded" })
  yield* say(`alice, bob and carol listen on TCP ports ${ports.map(({ port }) => port).join(", ")}`)

  yield* Effect.forEach(
    nodes,
    (node) => node.expectAll("Joined", nodes.filter((other) => other !== node).map(({ name }) => name)),
    { concurrency: "unbounded" }
  ).pipe(Effect.tap(() => say("each has found the two others by UDP broadcast")))

  yield* alice.tell("message bob good morning, bob")
  const answer = yield* alice.expect("answer", "bob")
  const heard = yield* bob.expect("message")
  yield* say(
    `bob got ${JSON.stringify(heard.text)} from ${String(heard.from)}; alice got ${JSON.stringify(answer.text)}`
  )

  yield* bob.tell("message * anyone there?")
  yield* bob.expectAll("answer", ["alice", "carol"])
  yield* say("bob asked everyone, and alice and carol answered")

  yield* alice.tell("count bob how many words are these")
  const counted = yield* alice.expect("counted", "bob")
  yield* say(`a typed call, count({ text }), gave alice ${JSON.stringify(counted.value)}`)
  yield* alice.tell("count bob")
  const none = yield* alice.expect("counted", "bob")
  if (none.tag !== "NoWords") return yield* new StepFailed({ step: "a typed error", seen: JSON.stringify(none) })
  yield* say("without any words the same call fails with its own typed error, NoWords")

  yield* alice.tell("describe bob")
  const described = yield* alice.expect("described", "bob")
  const functions = described.value as ReadonlyArray<{ name: string; kind: string; contract?: string }>
  yield* say(
    `bob describes himself: ${
      functions.map(({ contract, kind, name }) =>
        contract === undefined ? `${name} (${kind})` : `${name} (${kind} ${contract})`
      )
        .join(", ")
    }`
  )

  yield* alice.tell("file bob")
  const sent = yield* alice.expect("sent", "bob")
  if (sent.same !== true) return yield* new StepFailed({ step: "a streamed file", seen: JSON.stringify(sent) })
  yield* say(
    `alice streamed a file of ${Number(sent.bytes) / 1_048_576} MiB through bob's sha256, which gives the same digest`
  )

  yield* alice.tell("ponder *")
  yield* Effect.all([bob.expect("begun", "alice"), carol.expect("begun", "alice")], { concurrency: "unbounded" })
  yield* say("alice called a slow function of everyone, and bob and carol have begun")
  yield* Effect.ignore(bob.kill)
  const pondered = yield* alice.expect("pondered")
  const exits = pondered.exits as Record<string, { readonly value?: unknown; readonly tag?: string }>
  if (exits.bob?.tag !== "PeerLostError" || exits.carol?.value === undefined) {
    return yield* new StepFailed({ step: "a call of everyone", seen: JSON.stringify(exits) })
  }
  yield* say(
    `bob was killed in the middle of it: his call failed with ${exits.bob.tag}, and ${String(exits.carol.value)}`
  )
  const lost = yield* alice.expect("Lost", "bob")
  yield* say(
    `alice has lost bob: ${lost.reason === "Refused" ? "nothing listens at his address any more" : lost.reason}`
  )
  yield* alice.tell("message bob still there?")
  const failure = yield* alice.expect("failure", "bob")
  yield* say(`a message to bob fails at once: ${String(failure.error)}`)

  yield* carol.leave
  yield* alice.expect("Left", "carol")
  yield* say("carol left, and said so: alice took her off at once")
  const code = yield* carol.exit
  yield* say(`carol's process ended by itself with exit code ${code}`)
  if (code !== 0) return yield* new StepFailed({ step: "carol ends in order", seen: `exit code ${code}` })

  yield* alice.leave
  const last = yield* alice.exit
  yield* say(`alice left too, exit code ${last}`)
  if (last !== 0) return yield* new StepFailed({ step: "alice ends in order", seen: `exit code ${last}` })
  yield* Console.log("\nall steps went as they should")
  yield* Console.log("to see such a network: npx -y pnpm@12 console")
})

program.pipe(
  Effect.scoped,
  Effect.timeoutOrElse({
    duration: "2 minutes",
    orElse: () => Effect.fail(new StepFailed({ step: "the whole of it", seen: "a node that did not end" }))
  }),
  // Whoever runs it wants to know which step it was, and not where in the program.
  Effect.tapCause((cause) => Console.error(`\n${Cause.prettyErrors(cause).map(({ message }) => message).join("\n")}`)),
  Effect.provide([NodeServices.layer, NodeCrypto.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
