/**
 * The tools that a network makes, as peers come and go. A server has no way to take a tool off: those of peers that are gone stay, are listed to nobody, and say
 * that the peer is not there when they are called all the same.
 */
import { Description } from "@pnet/console/Described"
import { objectOf, own } from "@pnet/console/JsonSchema"
import { signatureOf } from "@pnet/console/Signature"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import * as McpSchema from "effect/ai/McpSchema"
import * as McpServer from "effect/ai/McpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { jsonLine } from "../output/harmless.ts"
import { answered, type Bounds, callTool, ofError, refused } from "./calling.ts"
import { toolInput } from "./input.ts"
import type { Pattern } from "./patterns.ts"
import { said, saidName } from "./said.ts"
import { toolName } from "./toolName.ts"

/** What is served. */
export interface Options {
  readonly node: CommandNodeService
  /** What may be called. */
  readonly allow: Pattern
  /** What is said to change nothing. */
  readonly readOnly: Pattern
  /** One tool that calls, in the place of one for each function. */
  readonly generic: boolean
  readonly bounds: Bounds
}

/** Tools of one peer, and of all that were ever there: a peer may give its functions new names without end. */
const mostOfPeer = 64
const mostEver = 1_024
const mostListed = 256
const longestDescription = 400
const patience = "10 seconds"
/** How soon a peer that has changed what it serves is asked again, and how often one that may not say so. */
const calm = "500 millis"
const often = "30 seconds"
/** How long a server waits for the peers that are there before it answers. */
const atFirst = "2 seconds"

const decode = Schema.decodeUnknownOption(Description)

/** What a peer says of its functions. What is not to be understood of it is left out. */
const described = (node: CommandNodeService, peer: string, ...names: ReadonlyArray<string>) =>
  Effect.map(
    node.target(peer, { timeout: patience })("describe", ...names),
    (answer): ReadonlyArray<Description> =>
      (Array.isArray(answer) ? answer : []).flatMap((one) => Option.toArray(decode(one)))
  )

const kinds = { function: "a function", command: "a command", rpc: "a typed call" }

/** What an assistant is told of a function: who says what. */
const descriptionOf = (peer: string, { description, kind, name, stream }: Description): string => {
  const what = `Calls ${JSON.stringify(saidName(name))}, ${kinds[kind]} of the pnet peer ${
    JSON.stringify(saidName(peer))
  }.`
  const gives = stream === true ? " It gives a stream: the first elements are the answer." : ""
  return description === undefined
    ? `${what}${gives}`
    : `${what}${gives} That peer says of it: ${JSON.stringify(said(description, longestDescription))}`
}

const annotationsOf = (title: string, readOnly: boolean, openWorld: boolean) => ({
  title,
  readOnlyHint: readOnly,
  destructiveHint: !readOnly,
  idempotentHint: readOnly,
  openWorldHint: openWorld
})

interface Tool {
  /** Whose it is: a peer by its name, and its function. */
  readonly owner: string
  /** Everything that is said of it. */
  readonly shown: string
}

/** Registers tools, and knows which of them are there. */
const make = (options: Options) =>
  Effect.gen(function*() {
    const { allow, bounds, node, readOnly } = options
    const server = yield* McpServer.McpServer
    const known = new Map<string, Tool>()
    /** The tools that are there now, each with the key of the peer. */
    const live = new Map<string, string>()
    let full = false

    const changed = Effect.ignore(server.notifications["notifications/tools/list_changed"]({}))

    /** Registers the tool of a function where it is another than before. `false`: there is no room for it. */
    const register = Effect.fnUntraced(function*(peer: string, one: Description, tool: string) {
      const input = toolInput(one)
      const owner = JSON.stringify([peer, one.name])
      const isReadOnly = readOnly(peer, one.name)
      const title = `${saidName(one.name)} of ${saidName(peer)}`
      const description = descriptionOf(peer, one)
      const shown = JSON.stringify([description, input, isReadOnly, one.stream === true])
      const before = known.get(tool)
      if (before?.shown === shown && before.owner === owner) return true
      if (before === undefined ? known.size >= mostEver : before.owner !== owner) {
        if (!full) yield* Effect.logWarning(`there is no room for more tools than ${mostEver}; others are left out`)
        full = true
        return false
      }
      known.set(tool, { owner, shown })
      const callee = { peer, name: one.name, stream: one.stream === true, form: input.form }
      yield* server.addTool({
        tool: new McpSchema.Tool({
          name: tool,
          title,
          description,
          inputSchema: input.schema,
          annotations: annotationsOf(title, isReadOnly, true)
        }),
        annotations: Context.empty(),
        handle: (given) =>
          live.has(tool)
            ? callTool(node, callee, given, bounds)
            : Effect.succeed(refused(`PeerUnknownError: ${saidName(peer)} does not serve it now`))
      })
      return true
    })

    /** Makes the tools of a peer those of what it serves now. */
    const refresh = Effect.fnUntraced(function*({ name: peer, publicKey }: Peer, all: ReadonlyArray<Description>) {
      const wanted = all.filter(({ name }) => allow(peer, name)).slice(0, mostOfPeer)
      const now = new Set<string>()
      for (const one of wanted) {
        const tool = toolName(peer, one.name)
        const holder = live.get(tool)
        if (holder !== undefined && holder !== publicKey) continue
        if (yield* register(peer, one, tool)) now.add(tool)
      }
      let differs = false
      for (const [tool, key] of live) {
        if (key === publicKey && !now.has(tool)) differs = live.delete(tool)
      }
      for (const tool of now) {
        differs ||= !live.has(tool)
        live.set(tool, publicKey)
      }
      if (differs) yield* changed
    })

    const ask = (peer: Peer) => Effect.flatMap(described(node, peer.name), (all) => refresh(peer, all))

    /** Whoever is there already has its tools before the first question, if it is quick. */
    const first = Effect.flatMap(node.peers.all, (all) =>
      Effect.timeoutOption(Effect.forEach(all, (peer) => Effect.ignore(ask(peer)), { concurrency: 16 }), atFirst))

    const gone = ({ publicKey }: Peer) =>
      Effect.suspend(() => {
        let differs = false
        for (const [tool, key] of live) {
          if (key === publicKey) {
            differs = live.delete(tool)
          }
        }
        return differs ? changed : Effect.void
      })

    /** Keeps the tools of a peer as long as it is there. */
    const follow = (peer: Peer) =>
      Effect.gen(function*() {
        yield* Effect.addFinalizer(() =>
          gone(peer)
        )
        yield* node.peers.changes.pipe(
          Stream.filter((event) =>
            (event._tag === "Offered" || event._tag === "Restarted" || event._tag === "Joined") &&
            event.peer.publicKey === peer.publicKey
          ),
          Stream.debounce(calm),
          Stream.merge(Stream.drop(Stream.tick(often), 1)),
          Stream.runForEach(() =>
            ask(peer).pipe(
              // It serves no functions, or not to this node.
              Effect.catchTag(["UnknownFunctionError", "NotAllowedError"], () => Effect.void),
              Effect.catchTag("DeadlineError", (error) => Effect.logWarning(error.message))
            )
          )
        )
      }).pipe(Effect.scoped)

    /** What a peer was just found to serve. */
    const found = (name: string, all: ReadonlyArray<Description>) =>
      Effect.flatMap(node.peers.get(name), (peer) => peer === undefined ? Effect.void : refresh(peer, all))

    return { first, follow, found, live }
  })

const simple = (name: string, description: string, properties: Record<string, unknown>, required: Array<string>) =>
  new McpSchema.Tool({
    name,
    title: name,
    description,
    inputSchema: { type: "object", properties: properties as {}, required },
    annotations: annotationsOf(name, true, false)
  })

const peerField = { type: "string", description: "The peer's name" }
const textIn = (given: unknown, name: string): string => {
  const text = own(objectOf(given), name)
  return typeof text === "string" ? text : ""
}

/** The tools that list. `found` is told what a peer serves. */
const listing = Effect.fnUntraced(function*(
  { allow, generic, node }: Options,
  found: (peer: string, all: ReadonlyArray<Description>) => Effect.Effect<void>
) {
  const server = yield* McpServer.McpServer
  yield* server.addTool({
    tool: simple("pnet_peers", "Lists the peers on the pnet network that are there now.", {}, []),
    annotations: Context.empty(),
    handle: () =>
      Effect.map(node.peers.all, (all) =>
        answered(
          ...(all.length > mostListed ? [`(the first ${mostListed} of ${all.length})`] : []),
          all.slice(0, mostListed).map(({ name, publicKey, status }) =>
            jsonLine({
              name: saidName(name),
              fingerprint: PublicKey.fingerprint(publicKey),
              status: status === "Online" ? "online" : "suspect"
            })
          ).join("\n") || "No peers are there."
        ))
  })
  yield* server.addTool({
    tool: simple(
      "pnet_functions",
      "Lists the functions of a pnet peer, and which of them may be called. What is said of them is the peer's word.",
      { peer: peerField },
      ["peer"]
    ),
    annotations: Context.empty(),
    handle: (given) => {
      const peer = textIn(given, "peer")
      if (peer === "") {
        return Effect.succeed(refused("InvalidArgumentsError: peer is the name of a peer, and is missing"))
      }
      return described(node, peer).pipe(
        Effect.tap((all) => found(peer, all)),
        Effect.map((all) =>
          answered(
            ...(all.length > mostListed ? [`(the first ${mostListed} of ${all.length})`] : []),
            all.slice(0, mostListed).map((one) => {
              const allowed = allow(peer, one.name)
              // Of what may not be called the name is enough: what a peer says is for whoever may call it.
              return jsonLine({
                name: saidName(one.name),
                allowed,
                ...(allowed
                  ? {
                    signature: said(signatureOf(one), longestDescription),
                    ...(one.description === undefined ? {} : { says: said(one.description, longestDescription) }),
                    ...(generic ? { input: toolInput(one).schema } : { tool: toolName(peer, one.name) })
                  }
                  : {})
              })
            }).join("\n") || "It serves no functions."
          )
        ),
        Effect.catch((error) => Effect.succeed(ofError(error)))
      )
    }
  })
})

/** The tool that calls whatever is allowed. */
const calling = Effect.fnUntraced(function*({ allow, bounds, node }: Options) {
  const server = yield* McpServer.McpServer
  const title = "pnet_call"
  yield* server.addTool({
    tool: new McpSchema.Tool({
      name: title,
      title,
      description: "Calls a function of a pnet peer. pnet_functions says which there are, and the input of each.",
      inputSchema: {
        type: "object",
        properties: {
          peer: peerField,
          function: { type: "string", description: "The function's name" },
          input: { type: "object", description: "What it takes, as pnet_functions says it" }
        },
        required: ["peer", "function"]
      },
      annotations: annotationsOf(title, false, true)
    }),
    annotations: Context.empty(),
    handle: (given) => {
      const [peer, name] = [textIn(given, "peer"), textIn(given, "function")]
      if (!allow(peer, name)) {
        return Effect.succeed(refused(`NotAllowedError: ${said(`${name}@${peer}`, 200)} is not allowed here`))
      }
      return described(node, peer, name).pipe(
        Effect.flatMap(([one]) =>
          callTool(
            node,
            { peer, name, stream: one?.stream === true, form: one === undefined ? "arguments" : toolInput(one).form },
            own(objectOf(given), "input"),
            bounds
          )
        ),
        Effect.catch((error) => Effect.succeed(ofError(error)))
      )
    }
  })
})

/** All tools, for a server of any transport. They are there as long as the layer. */
export const layer = (options: Options): Layer.Layer<never, never, McpServer.McpServer> =>
  Layer.unwrap(Effect.gen(function*() {
    if (options.generic) {
      yield* listing(options, () => Effect.void)
      yield* calling(options)
      return Layer.empty
    }
    const { first, follow, found, live } = yield* make(options)
    yield* listing(options, found)
    const { peers } = options.node
    yield* peers.interested
    yield* Effect.forkScoped(peers.wheneverOnline("*", follow, {
      onFailure: (peer, cause) => Effect.logWarning(`the tools of ${saidName(peer.name)} are not there`, cause)
    }))
    yield* first
    const isListed = (target: string) => !target.includes("__") || live.has(target)
    return McpServer.visibility(
      ({ method, target }) => Effect.sync(() => method !== "tools/list" || isListed(target)),
      { global: true }
    ) as Layer.Layer<never, never, McpServer.McpServer>
  }))
