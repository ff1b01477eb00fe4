/** Calls: commands, typed calls, their contracts, and what they may hold. */
import { of, suites } from "./of.ts"

const json = of(
  "json",
  "packages/core/src/internal/wire/json.ts",
  suites("json", "CommandNode.sim", "Limits.sim", "Security.sim", "Fuzz", "errors"),
  {
    "deep": [`if (isDeep(bytes)) return tooDeep`, ``, "JSON of a peer is nested deeper than anybody can walk through"],
    "deep-string": [`if (byte === 0x5c) i++`, ``, "a backslash in a text hides what comes behind it"],
    "finite": [
      `return Number.isFinite(value) ? undefined : fault(String(value))`,
      `return undefined`,
      "NaN arrives as null"
    ],
    "instance": [
      `if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return`,
      `if (false) return`,
      "a Date arrives as a text"
    ],
    "own-length": [
      `if (--room.left < 0) return fault(tooLarge)`,
      `if (--room.left < -1e6) return fault(tooLarge)`,
      "a value that stands in many places of itself holds its process for ever"
    ],
    "infinite": [
      `return hasInfinite(value) ? "a number that is not finite" : { value }`,
      `return { value }`,
      "a number that is none reaches a function",
      { tests: ["CommandNode.sim"] }
    ],
    "own-depth": [`if (depth > maxDepth) return fault(tooDeep)`, ``, "a value that is in itself breaks its caller"],
    "weight-array": [
      `weight += array
        break`,
      `break`,
      "a call of nothing but arrays takes twenty times its bytes"
    ],
    "weight-object": [
      `weight += object
        break`,
      `break`,
      "a call of nothing but objects takes many times its bytes"
    ]
  }
)

const arena = of("arena", "packages/core/src/internal/base/arena.ts", suites("commandWire"), {
  "overlap": [
    `offset -= most - length`,
    `offset -= most`,
    "the next text is written over this one"
  ],
  "room": [`const most = 3 * text.length`, `const most = text.length`, "a text that is not ASCII is cut off"]
})

const commandWire = of(
  "command-wire",
  "packages/core/src/internal/call/commandWire.ts",
  suites("Cost.sim", "CommandNode.sim", "commandVectors", "commandWire", "Fuzz", "Limits.sim"),
  {
    "usual-end": [
      `text.startsWith(successHead) && text.endsWith(successTail)`,
      `text.startsWith(successHead)`,
      "an answer that is cut off is taken for one that is shorter"
    ],
    "usual-name": [
      `|| special.test(name)) return undefined`,
      `) return undefined`,
      "a name is taken as it is written, with its escapes"
    ],
    "usual-name-own": [
      `text.length > longestHeld ? JSON.parse`,
      `false ? JSON.parse`,
      "what counts the calls of a function holds all of the first one of each peer",
      { tests: ["commandWire"] }
    ],
    "usual-middle": [
      `if (!text.startsWith(requestMiddle, end) || special`,
      `if (special`,
      "what stands under another name is taken for the arguments",
      { tests: ["commandWire"] }
    ],
    "usual-tail": [
      `if (!text.startsWith(requestHead) || !text.endsWith(requestTail)) return undefined`,
      `if (!text.startsWith(requestHead)) return undefined`,
      "arguments by name are cut off, with the end of those by place"
    ],
    "usual-kept": [`name.length > longestKept ?`, `false ?`, "names of any length are kept", {
      tests: ["commandWire"]
    }],
    "usual-kwargs": [
      `      : isEmpty(kwargs)
`,
      `      : true
`,
      "arguments by name are not sent"
    ],
    "null": [
      `const args = parsed.value.args ?? []`,
      `const { args = [] } = parsed.value`,
      "a call whose language writes null for what is not there is refused",
      { tests: ["CommandNode.sim"] }
    ],
    "unknown-code": [
      `return Effect.fail(new RemoteDefectError({ peer, function: name }))`,
      `return Effect.fail(new RemoteError({ peer, command: name, error: { message: description } }))`,
      "an error of a code that is not known reads as a typed error",
      { tests: ["documentVectors.sim"] }
    ],
    "request-bytes": [
      `return bytes.length <= limit ? bytes : "too large"`,
      `return bytes`,
      "a call over the limit is sent, and sent in vain"
    ],
    "args": [`if (args.length > maxArgs) return`, `if (false) return`, "a call has more arguments than the stack"],
    "kwargs": [`if (!isObject(kwargs)) return "\\"kwargs\\" is not an object"`, ``, "keyword arguments are no object"],
    "args-array": [`if (!Array.isArray(args)) return "\\"args\\" is not an array"`, ``, "arguments are no list"],
    "description": [
      `const description = error.description.slice(0, maxDescription)`,
      `const description = error.description`,
      "a refusal is as long as what it refuses"
    ],
    "answer": [
      `if (lengthUpTo(value, limit) > limit) return undefined`,
      ``,
      "an answer over the limit is made before it is refused"
    ],
    "answer-bytes": [
      `return bytes.length <= limit ? bytes : undefined`,
      `return bytes`,
      "an answer over the limit is sent"
    ],
    "error-bytes": [
      `if (bytes === undefined || bytes.length > limit) {`,
      `if (bytes === undefined) {`,
      "an error over the limit is sent"
    ],
    "reply-weight": [
      `if (weight < Infinity && weight > limit * maxWeight) {`,
      `if (false) {`,
      "an answer takes many times its bytes at its caller"
    ]
  }
)

const commandServer = of(
  "command-server",
  "packages/core/src/internal/call/commandServer.ts",
  suites("Cost.sim", "CommandNode.sim", "Security.sim", "Limits.sim", "Exchange.sim", "Allow.sim", "Busy.sim"),
  {
    "nothing": [
      `if (Cause.hasInterruptsOnly(cause)) {`,
      `if (cause.reasons.every(Cause.isInterruptReason)) {`,
      "a function that fails with nothing is said to have ended with its session",
      { tests: ["Handlers.sim"] }
    ],
    "no-result": [
      `return code !== "not_json" ? answered`,
      `return code !== undefined ? answered`,
      "a result that is none is in nobody's log"
    ],
    "describe": [
      `if (names.length < args.length) {`,
      `if (false) {`,
      "describe of what is no name describes everything",
      { tests: ["CommandNode.sim"] }
    ],
    "limit": [
      `stream.wholeUpTo(limits.callSize, held.room)`,
      `stream.wholeUpTo(Infinity, held.room)`,
      "a call of any length is read"
    ],
    "memory": [
      `stream.wholeUpTo(limits.callSize, held.room)`,
      `stream.wholeUpTo(limits.callSize)`,
      "calls that come in hold more than there is room for"
    ],
    "memory-free": [`fiber.addObserver(held.free)`, ``, "the memory of calls that are over is never given back"],
    "weight": [`if (!held.fits(weight)) {`, `if (false) {`, "a call takes many times its bytes"],
    "weight-room": [
      `if (!held.room(weight)) return stream.reset("refused", "no room for so much at once")`,
      ``,
      "calls together take many times their bytes"
    ],
    "begin-limited": [
      `if (begin === undefined || limiters.has(entry)) return undefined`,
      `if (begin === undefined) return undefined`,
      "as many calls run as come, of a command that is limited",
      { tests: ["Busy.sim"] }
    ],
    "begin-allowed": [
      `if (!Permission.granted(this.#stream, entry.name, entry.allow)) return undefined`,
      ``,
      "who may not call a function calls it",
      { tests: ["Allow.sim"] }
    ],
    "name": [
      `this.#name = this.#entry === undefined ? "unknown or built in" : request.function`,
      `this.#name = request.function`,
      "made-up names fill the metrics and name spans"
    ],
    "shown": [
      `quote(request.function.slice(0, maxShown))`,
      `quote(request.function)`,
      "an answer repeats a name of any length"
    ],
    "defect": [
      `this.#reply(Wire.encodeError({ code: "internal", description: "it broke; the log of its node has the cause" }))`,
      `this.#reply(Wire.encodeError({ code: "internal", description: String(cause) }))`,
      "a defect's text travels to the caller"
    ],
    "late": [
      `return left <= 0
        ? late()`,
      `return false
        ? late()`,
      "a call whose question took all of its time to come is run",
      { tests: ["Cost.sim", "CommandNode.sim"] }
    ],
    "deadline": [
      `Effect.timeoutOrElse(work, { duration: left, orElse: late })`,
      `work`,
      "a handler runs on after its deadline"
    ]
  }
)

const callMemory = of(
  "call-memory",
  "packages/core/src/internal/streams/callMemory.ts",
  suites("CallMemory", "Limits.sim", "CommandNode.sim", "PeerRpc.sim"),
  {
    "peer": [
      `budget = new Budget(limit / 4, all)`,
      `budget = new Budget(limit, all)`,
      "one peer holds the memory of all calls"
    ],
    "all": [
      `budget = new Budget(limit / 4, all)`,
      `budget = new Budget(limit / 4)`,
      "peers together hold more than there is"
    ],
    "held": [`if (!budget.reserve(length - held)) {`, `if (false) {`, "calls hold more than there is room for"],
    "forget": [
      `held = 0
        if (budget.used === 0) budgets.delete(peer)`,
      `held = 0`,
      "every peer that called is remembered"
    ]
  }
)

const registry = of(
  "registry",
  "packages/core/src/RpcRegistry.ts",
  suites("CommandNode.sim", "Limits.sim", "contract"),
  {
    "duplicate": [
      `if (entries.has(entry.name)) {`,
      `if (false) {`,
      "a function takes another's name"
    ],
    "built-in": [
      `if (builtIns.has(entry.name)) {`,
      `if (false) {`,
      "a function takes the name of one that every node has"
    ],
    "args": [
      `decodeArgs(args.map(orNull)),`,
      `Effect.succeed(args as ReadonlyArray<any>),`,
      "a command's arguments are not checked"
    ],
    "result": [
      `if (fault === undefined) return Effect.succeed`,
      `if (true) return Effect.succeed`,
      "a result that JSON cannot carry arrives as another"
    ]
  }
)

const commandClient = of(
  "command-client",
  "packages/core/src/internal/call/commandClient.ts",
  suites("CommandNode.sim", "Exchange.sim"),
  {
    "earliest": [
      `const earliest = Math.min(time.inherited ?? Infinity, this.#begun + time.own)`,
      `const earliest = Math.min(Infinity, this.#begun + time.own)`,
      "a call made by a handler outlives the one that it is made for"
    ],
    "retry": [
      `Effect.retry(Effect.suspend(() => this.#exchange(peer, bytes)), { while: isRefused, schedule: refusedRetries })`,
      `Effect.retry(Effect.suspend(() => this.#exchange(peer, bytes)), { while: () => true, schedule: refusedRetries })`,
      "a call that may have run is made again"
    ]
  }
)

const refused = of(
  "refused",
  "packages/core/src/internal/session/refused.ts",
  suites("CommandNode.sim", "PeerRpc.sim", "AdvancedNode.sim", "Limits.sim"),
  {
    "remote": [`return remote && retryable`, `return true`, "a call that may have run is made again"],
    "never": [`return remote && retryable`, `return false`, "a call that a busy peer refused fails at once"]
  }
)

const rpcWire = of(
  "rpc-wire",
  "packages/core/src/internal/call/rpcWire.ts",
  suites("rpcWire", "PeerRpc.sim", "CommandRpc.sim", "Fuzz"),
  {
    "version": [
      `if (bytes[0] !== version) return "a request of another version"`,
      ``,
      "a request of another version is run"
    ],
    "headers": [
      `if (length > maxHeaders || length > bytes.length - at) return`,
      `if (length > bytes.length - at) return`,
      "headers are as long as a peer makes them"
    ],
    "headers-end": [
      `if (length > maxHeaders || length > bytes.length - at) return`,
      `if (length > maxHeaders) return`,
      "headers end behind their request"
    ],
    "hash": [`for (let i = 0; i < 8; i++) if (a[i] !== b[i]) return false`, ``, "a call of another contract is run"],
    "contract": [
      `|| body.length > 8 + maxContract) return undefined`,
      `) return undefined`,
      "a peer's contract is as long as it makes it"
    ],
    "raw-length": [
      `if (length > bytes.length - at) return undefined
    out.push`,
      `out.push`,
      "a raw element ends behind its chunk"
    ],
    "older": [
      `tellsForms(theirs) ? contractOf() : older`,
      `true ? contractOf() : older`,
      "nodes of yesterday are told that a date is none",
      { tests: ["contractBinary", "PeerRpc.sim"] }
    ],
    "today": [
      `isObject(contract) && contract[keyword] === true`,
      `false`,
      "one of today without a date is taken for one of yesterday that may have one",
      { tests: ["contractBinary", "PeerRpc.sim"] }
    ],
    "raw-empty": [`return out.length === 0 ? undefined : out`, `return out`, "a chunk without elements is taken"]
  }
)

const rpcServerSuites = suites("PeerRpc.sim", "CommandRpc.sim", "Limits.sim", "Cost.sim")

const rpcRequests = of("rpc-server", "packages/core/src/internal/call/rpcRequests.ts", rpcServerSuites, {
  "weight": [
    `if (!served.wire.hasLists || request.size <= few) return run()`,
    `return run()`,
    "lists of nothings take a hundred times what they are counted as",
    { tests: ["Cost.sim"] }
  ],
  "contract": [
    `if (request.hash !== undefined && !Wire.sameHash(request.hash, wire.hash())) return mismatch()`,
    ``,
    "bytes of another schema are read as values that nobody wrote"
  ],
  "contract-encoder": [
    `if (wire.foreign && (request.flags & Wire.Flag.form) === 0) return mismatch`,
    ``,
    "bytes of another encoder are read as values that nobody wrote",
    { tests: ["Versions.sim"] }
  ],
  "contract-stream": [
    `if (wantsStream !== wire.isStream) return mismatch(`,
    `if (false) return mismatch(`,
    "one who wants a value gets a stream"
  ],
  "request": [
    `if (found === "too large") return`,
    `if (false) return`,
    "a request of any length is read"
  ],
  "memory": [
    `if (!held.room(pieces.held - before)) return refused("refused", "no memory for it now")`,
    ``,
    "requests that come in hold more than there is room for"
  ],
  "memory-free": [`fiber.addObserver(held.free)`, ``, "the memory of requests that are over is never given back"]
})

const rpcVarints = of("rpc-varints", "packages/core/src/internal/call/rpcVarints.ts", suites("rpcVarints"), {
  "watched": [
    `if (squares > most) throw new TooLong()`,
    `if (squares > 2 ** 40) throw new TooLong()`,
    "an integer is read to its end, however long that takes"
  ],
  "run": [
    `run = index === last + 1 ? run + 1 : 1`,
    `run = run + 1`,
    "bytes of many short integers count as one of a long one"
  ]
})

const rpcExecute = of("rpc-server", "packages/core/src/internal/call/rpcExecute.ts", rpcServerSuites, {
  "late": [
    `nowUnsafe(clock) < deadline ? handler :`,
    `true ? handler :`,
    "a call that waited for its turn begins after its deadline",
    { tests: ["Cost.sim", "PeerRpc.sim"] }
  ]
})

const rpcChunks = of("rpc-server", "packages/core/src/internal/call/rpcChunks.ts", rpcServerSuites, {
  "granted": [
    `if (this.#left > 0) return Effect.void`,
    `return Effect.void`,
    "a stream goes on though its consumer has stopped"
  ],
  "behind": [
    `if (behind !== undefined) {`,
    `if (false) {`,
    "grants that come with a request are lost, and the stream waits for ever",
    { tests: ["TypedVectors.sim"] }
  ]
})

const rpcStreamCall = of("rpc-server", "packages/core/src/internal/call/rpcStreamCall.ts", rpcServerSuites, {
  "answer": [
    `if (bytes.length > limit) return this.#stream.reset("too_large", \`an answer over`,
    `if (false) return this.#stream.reset("too_large", \`an answer over`,
    "an answer over the limit is sent"
  ],
  "defects": [
    `const failures = Wire.failuresOf(exit.cause)
    if (failures === exit.cause`,
    `const failures = exit.cause as Cause.Cause<any>
    if (failures === exit.cause`,
    "a defect of a handler travels to its caller"
  ]
})

const inTime = of("question", "packages/core/src/internal/call/inTime.ts", suites("Rules.sim"), {
  "in-time": [
    `if (expires === undefined || stream.isWhole) return read`,
    `return read`,
    "a question that never comes holds its stream for ever, whatever its deadline"
  ]
})

const rpcEntry = of("rpc-server", "packages/core/src/internal/call/rpcEntry.ts", rpcServerSuites, {
  "described": [
    `...definitions }`,
    `}`,
    "a stranger cannot tell what the payload that is described refers to",
    { tests: ["CommandRpc.sim"] }
  ],
  "json-limit": [
    `return this.#length > this.#limit`,
    `return false`,
    "a stream that is called by JSON is collected without end"
  ]
})

const rpcClientSuites = suites("PeerRpc.sim", "CommandRpc.sim", "Limits.sim", "Cost.sim")

const rpcClientRequest = of("rpc-client", "packages/core/src/internal/call/rpcClientRequest.ts", rpcClientSuites, {
  "retry-stream": [
    `const refused = (error: RpcError) => !call.heard && isRefused(error)`,
    `const refused = (error: RpcError) => isRefused(error)`,
    "a stream is begun anew after chunks of it have come"
  ],
  "request-limit": [`if (payload.length > client.limit || headers`, `if (headers`, "a call over the limit is sent"],
  "compatible": [
    `|| !compatible(mine, contract)) return`,
    `) return`,
    "a call is made though the two sides do not understand each other"
  ],
  "again": [
    `return call.adopt(peer, hash)
    ? again()`,
    `return call.adopt(peer, hash) || true
    ? again()`,
    "a peer whose contract changes with every call is called for ever"
  ]
})

const rpcClientKnown = of("rpc-client", "packages/core/src/internal/call/rpcClientKnown.ts", rpcClientSuites, {
  "recheck": [
    `!first || this.#now() < way.until ? way`,
    `true ? way`,
    "a peer that was called by JSON once is called so for ever",
    { tests: ["PeerRpcJson.sim"] }
  ],
  "adopted": [`if (this.#ways.size >= most) this.#ways.clear()`, ``, "every peer's contract is remembered", {
    equivalent:
      "names are those that the program calls by itself, so nothing that a peer does fills it; the bound is for programs that make names up"
  }]
})

const rpcLines = of(
  "rpc-lines",
  "packages/core/src/internal/call/rpcJson.ts",
  suites("PeerRpcJson.sim", "PeerRpc.sim"),
  {
    "line": [`if (length > this.#most) return "too large"`, ``, "a line is as long as a peer makes it"],
    "hash": [
      `if (hashed === undefined && hash !== undefined && hash !== null) return "a hash that is none"`,
      ``,
      "a call with a hash that is none is run as one without"
    ],
    "headers": [
      `if (size > Wire.maxHeaders) return "headers that are too long"`,
      ``,
      "headers are as long as a peer makes them"
    ],
    "grant": [
      `if (!isChunks(grant)) return undefined`,
      `if (!isChunks(grant)) return granted`,
      "what is no grant is ignored"
    ],
    "grant-line": [`const lines = new Lines(maxGrant)`, `const lines = new Lines(1e9)`, "a grant has no end"],
    "chunks": [
      `Number.isInteger(value) && value >= 0 && value <= maxChunks`,
      `value <= maxChunks`,
      "a grant takes chunks away"
    ],
    "weight": [
      `  weigh,
  decodeRequest,`,
      `  weigh: undefined,
  decodeRequest,`,
      "a line is parsed to more than there is room for"
    ],
    "answer-weight": [
      `if (weight < Infinity && weight > maxWeight * this.#limit) return Wire.Found.tooLarge`,
      ``,
      "an answer is parsed to more than its caller has room for"
    ],
    "behind": [
      `if (pieces.length > 0) return Wire.Found.malformed
    return ended`,
      `return ended`,
      "an answer goes on behind its end"
    ],
    "unknown": [
      `  return { kind: Wire.Kind.broken }
}`,
      `  return undefined
}`,
      "an answer of a later version is no answer"
    ],
    "text": [
      `escapeText(shortened(description))`,
      `description`,
      "a peer's text reaches a terminal as it is, however long"
    ]
  }
)

const rpcForms = of("rpc-forms", "packages/core/src/internal/call/rpcClientRequest.ts", suites("PeerRpcJson.sim"), {
  "form": [
    `if (!call.json && mine["form"] !== formOf(contract)) {`,
    `if (false) {`,
    "bytes of another encoder are not called around"
  ],
  "forget": [
    `if (call.json) known.forget(peer, call.name)`,
    ``,
    "a peer that speaks JSON no more is called by it for ever"
  ],
  "twice": [
    `if (!call.mayChangeForm) return Effect.fail(call.mapError(error))`,
    ``,
    "a peer that speaks neither form is asked without end"
  ],
  "once": [
    `if (!call.mayChangeForm) return Effect.fail(call.disagreed)`,
    ``,
    "a form that was not spoken is tried again for the same call"
  ]
})

const rpcAnswers = of("rpc-answers", "packages/core/src/internal/call/rpcWire.ts", rpcClientSuites, {
  "limit": [`if (length > this.#limit) return Found.tooLarge`, ``, "a chunk of any length is read"],
  "failures": [
    `count > maxFailures`,
    `count > 200`,
    "a failure has as many errors as a peer says",
    { tests: ["rpcWire"] }
  ],
  "answer-limit": [
    `if (pieces.length > this.#limit + maxContract) return Found.tooLarge`,
    ``,
    "the end of a stream is as long as a peer makes it"
  ]
})

const rpcClientStream = of(
  "rpc-client",
  "packages/core/src/internal/call/rpcClientStream.ts",
  suites("TypedVectors.sim"),
  {
    "told": [
      `return code === undefined ? Effect.void : stream.reset(code, error.message)`,
      `return Effect.void`,
      "who sends a stream that is no answer is not told why it is given up"
    ],
    "raw": [
      `Wire.mostRaw(client.limit)`,
      `Infinity`,
      "byte arrays of nothing take thirty times what a caller may have",
      { tests: ["PeerRpc.sim"] }
    ]
  }
)

const contracts = suites("contract", "PeerRpc.sim")

const contractCompatible = of("contract", "packages/core/src/internal/call/contractCompatible.ts", contracts, {
  "binary": [
    `|| binaryOf(w) !== binaryOf(r)) return false`,
    `) return false`,
    "the bytes of a text are read as a date",
    { tests: ["contractBinary", "PeerRpc.sim"] }
  ],
  "fields": [
    `textOf(own(mine, "fields") ?? null) === textOf(own(other, "fields") ?? null) &&`,
    ``,
    "one field's bytes are read as another's",
    { tests: ["contractBinary"] }
  ],
  "packed": [
    `return !packed || type === y["type"]`,
    `return true`,
    "a list of integers is read as one of numbers",
    { tests: ["contractBinary", "PeerRpc.sim"] }
  ],
  "packed-again": [
    `JSON.stringify([refs, packed])`,
    `JSON.stringify(refs)`,
    "a list of integers is read as one of numbers where a field of the same name came first"
  ],
  "counted": [
    `&& isCounted(x, ours.length) === isCounted(y, yours.length) &&`,
    `&&`,
    "the length of an array is read as its first element",
    { tests: ["contractBinary"] }
  ],
  "patterns": [
    `|| !patterns(w, r, depth)`,
    ``,
    "fields whose names are like a pattern are left out without a word",
    { tests: ["contractBinary"] }
  ],
  "rests": [
    `|| !rests(w, r, depth)) return`,
    `) return`,
    "further fields of a struct are left out without a word",
    { tests: ["contractBinary"] }
  ],
  "only-member": [
    `!saysMore(x) && !saysMore(y) && same("enum")`,
    `same("enum")`,
    "what no one looked into goes together with anything that no one looked into"
  ],
  "stream": [
    `return own(mine, "stream") === own(other, "stream") && own`,
    `return own`,
    "a stream and a value go together"
  ],
  "success": [`&& ways("success", false) &&`, `&&`, "results that cannot be read go together"],
  "errors": [
    `ways("success", false) &&
    ways("error", false)`,
    `ways("success", false)`,
    "errors that cannot be read go together"
  ],
  "required": [`&& !isRequired(y, name)`, ``, "a field that the reader needs is missing"],
  "tags": [
    `if (type !== y["type"] || tagOf(w) !== tagOf(r)) return false`,
    `if (type !== y["type"]) return false`,
    "a value of one tag is read as another's"
  ]
})

const contract = of("contract", "packages/core/src/internal/call/contract.ts", contracts, {
  "annotations": [
    `Object.entries(object).filter(([key]) => !annotations.has(key))`,
    `Object.entries(object)`,
    "a description makes another contract"
  ],
  "sets": [
    `return value.map(written).sort(compare)`,
    `return value.map(written)`,
    "fields in another order make another contract",
    { tests: ["typedVectors"] }
  ],
  "met": [
    `met.set(ref, met.size)`,
    `met.set(ref, 0)`,
    "definitions that were met before are all the same one",
    { tests: ["typedVectors"] }
  ]
})

const jsonSchemas = of("contract", "packages/core/src/internal/call/jsonSchema.ts", suites("typedVectors"), {
  "names": [
    `: \`{\${Object.keys(object).sort(compare).map((key)`,
    `: \`{\${Object.keys(object).map((key)`,
    "names that are numbers come first in what is hashed, as in an object of this language"
  ],
  "escaped": [
    `.replaceAll("~1", "/").replaceAll("~0", "~")`,
    ``,
    "a definition is not found where its name has a slash"
  ]
})

const contractDifferences = of(
  "contract",
  "packages/core/src/internal/call/contractDifferences.ts",
  suites("contract", "typedVectors"),
  {
    "order": [`} else if (moved) {`, `} else if (false) {`, "unions in another order differ without a word"],
    "form": [
      `new Set([...Object.keys(mine), "form", "fields"])`,
      `new Set(Object.keys(mine))`,
      "a form that the peer alone has differs without a word"
    ]
  }
)

const rpcJson = of(
  "rpc-json",
  "packages/core/src/internal/call/rpcJson.ts",
  suites("TypedVectors.sim", "PeerRpcJson.sim"),
  {
    "hash": [`/^[0-9a-f]{16}$/.test(text)`, `text.length > 0`, "any text is a hash"],
    "code": [
      `return message["code"] === "failed" ? { kind: Wire.Kind.failure, body: message } : { kind: Wire.Kind.broken }`,
      `return { kind: Wire.Kind.failure, body: message }`,
      "an error of an unknown code is read as a typed one"
    ],
    "more": [`if (pieces.length > 0) return Wire.Found.malformed`, ``, "an answer goes on behind its last line"]
  }
)

const functionsOverStreams = suites("AdvancedNode.sim", "Limits.sim")

const serving = of("advanced", "packages/core/src/internal/streams/serving.ts", functionsOverStreams, {
  "whole-limit": [
    `Math.min(short, this.#limit)`,
    `short`,
    "a function is given more at once than a call may be",
    { tests: ["Handlers.sim"] }
  ],
  "duplicate": [
    `if (this.#registered.has(name)) return Effect.fail`,
    `if (false) return Effect.fail`,
    "a function takes another's name"
  ],
  "late": [
    `if (left !== undefined && left <= 0) return late`,
    ``,
    "a function is begun in a process that was frozen until its time was up",
    { tests: ["Cost.sim"] }
  ]
})

const calling = of("advanced", "packages/core/src/internal/streams/calling.ts", functionsOverStreams, {
  "limit": [
    `limitOf(options?.limit, this.#node.callSize)`,
    `options?.limit ?? this.#node.callSize`,
    "a peer that says that a call is too large breaks a caller whose limit is no number that an error can say",
    { tests: ["Exchange.sim"] }
  ],
  "retry": [
    `while: isRefused,
        schedule: refusedRetries`,
    `while: () => true,
        schedule: refusedRetries`,
    "a call that may have run is made again",
    { tests: ["CommandNode.sim"] }
  ]
})

const metrics = of(
  "metrics",
  "packages/core/src/internal/call/callMetrics.ts",
  suites("CommandNode.sim", "Security.sim", "Limits.sim"),
  {
    "series": [
      `if (meters.size >= maxSeries && peer !== other) return`,
      `if (false) return`,
      "peers and functions make series without end"
    ]
  }
)

const deadline = of(
  "deadline",
  "packages/core/src/Deadline.ts",
  suites("CommandNode.sim", "PeerRpc.sim", "Exchange.sim"),
  {
    "earlier": [
      `Math.min(fiber.getRef(CurrentDeadline) ?? Infinity, at)`,
      `at`,
      "a deadline inside another gives more time"
    ]
  }
)

const trace = of("socket", "packages/core/src/PeerSocket.ts", suites("PeerSocket.sim"), {
  "caller": [`Effect.provideService(Caller, stream.peer),`, ``, "a socket's handler does not know who calls"]
})

export const callsList = [
  ...json,
  ...commandWire,
  ...arena,
  ...commandServer,
  ...callMemory,
  ...registry,
  ...commandClient,
  ...refused,
  ...rpcWire,
  ...rpcRequests,
  ...rpcVarints,
  ...rpcExecute,
  ...rpcChunks,
  ...rpcStreamCall,
  ...inTime,
  ...rpcEntry,
  ...rpcClientRequest,
  ...rpcClientKnown,
  ...rpcAnswers,
  ...rpcLines,
  ...rpcForms,
  ...contractCompatible,
  ...contract,
  ...jsonSchemas,
  ...contractDifferences,
  ...rpcClientStream,
  ...rpcJson,
  ...serving,
  ...calling,
  ...metrics,
  ...deadline,
  ...trace
]
