/** Section 13: typed calls, as lines of JSON, and what of the binary form needs no codec. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import * as Door from "../door.ts"
import type { Kit } from "../kit.ts"
import { describeEnded, type Ended, parseJson, type Session } from "../session.ts"
import { type Bytes, bytesOf, concat, number, shown, textOf, utf8 } from "../speech/bytes.ts"
import * as Contract from "../speech/contract.ts"
import { describe, err, type Frame, frame, json, Kind, msg, rsp } from "../speech/frames.ts"
import { type Mismatch, NotThere } from "../subject.ts"
import { failed, told } from "./asked.ts"
import { works } from "./frames.ts"

const check = checksOf("typed")
const ordered = checksOf("typed", "orders", "a LAN")
const { data, end, open, reset } = Kind

type Line = Record<string, any>

/** The lines of an answer. */
const linesOf = (kit: Kit, bytes: Bytes): Effect.Effect<ReadonlyArray<Line>, any> => {
  const texts = textOf(bytes).split("\n").filter((line) => line !== "")
  const lines = texts.map((line) => parseJson(utf8(line)) as Line)
  return lines.every((line) => typeof line === "object" && line !== null && typeof line["type"] === "string")
    ? Effect.succeed(lines)
    : kit.mismatch("lines of JSON objects with a type", shown(bytes))
}

/** Typed calls of one session, as JSON, one stream after another. */
const calling = (kit: Kit, session: Session) => {
  let stream = 0
  const begin = (name: string, text: string | Bytes, more: Record<string, unknown> = {}, protocol = "rpc-json") =>
    Effect.gen(function*() {
      stream++
      yield* session.send(
        msg,
        frame(open, stream, json({ protocol, name, ...more })),
        ...(text.length > 0 ? [frame(data, stream, text)] : [])
      )
      return stream
    })
  /** What comes of a request and END. */
  const ended = (name: string, text: string | Bytes, more?: Record<string, unknown>, protocol?: string) =>
    Effect.gen(function*() {
      const id = yield* begin(name, text, more, protocol)
      yield* session.send(msg, frame(end, id))
      return yield* session.answer(id)
    })
  const say = (name: string, text: string | Bytes) =>
    Effect.flatMap(ended(name, text), (over) =>
      over._tag === "End"
        ? linesOf(kit, over.bytes)
        : kit.mismatch("lines, and END", describeEnded(over)))
  /** That the answer is one line, with these fields. */
  const gives = (name: string, text: string | Bytes, expected: Line) =>
    Effect.flatMap(say(name, text), (lines) => {
      const [line] = lines
      return kit.holds(
        lines.length === 1 && Object.entries(expected).every(([key, value]) => json(line![key]) === json(value)),
        `one line ${json(expected)}`,
        json(lines).slice(0, 500)
      )
    })
  /** What comes of a request in bytes. Who does not serve `rpc` says so, and need not. */
  const inBytes = (name: string, bytes: Bytes): Effect.Effect<Ended, Mismatch | NotThere> =>
    Effect.filterOrFail(
      ended(name, bytes, undefined, "rpc"),
      (over) => over._tag !== "Reset" || over.code !== "unsupported",
      () => new NotThere({ why: "the peer serves no rpc" })
    )
  const resets = (code: string, name: string, text: string | Bytes, protocol: "rpc" | "rpc-json" = "rpc-json") =>
    Effect.flatMap(
      protocol === "rpc" ? inBytes(name, bytesOf(text)) : ended(name, text),
      (over) => kit.holds(over._tag === "Reset" && over.code === code, `err RESET ${code}`, describeEnded(over))
    )
  return { begin, ended, inBytes, say, gives, resets }
}

const calls = (
  rule: string,
  title: string,
  run: (calls: ReturnType<typeof calling>, kit: Kit, session: Session) => Effect.Effect<unknown, any, any>
) => check(rule, title, (kit) => Effect.flatMap(kit.session(), (session) => run(calling(kit, session), kit, session)))

const twice = "typed.twice"
const count = "typed.count"
/** Those whose hashes are looked at, and names that nobody serves. */
const hashed = [twice, count, "typed.nothing", "typed.fail"]
const unserved = ["typed.of another day", "toString"]
const asking = (n: unknown, more: Line = {}) => json({ payload: { n }, ...more })

/** A request of the binary form around bytes that are its payload. */
const binary = (
  options: { readonly version?: number; readonly flags?: number; readonly hash?: Bytes } = {},
  payload = ""
) =>
  concat(
    number(11 + payload.length, 4),
    Uint8Array.of(options.version ?? 1, options.flags ?? 0),
    options.hash ?? new Uint8Array(8).fill(0xab),
    Uint8Array.of(16),
    utf8(payload)
  )

const requests = [
  calls(
    "json-call-line",
    "a request is one line, ended by LF or by END, and the answer is lines",
    ({ gives }) =>
      Effect.gen(function*() {
        yield* gives(twice, asking(21), { type: "success", value: 42 })
        yield* gives(twice, `${asking(21)}\n`, { type: "success", value: 42 })
      })
  ),

  calls("json-call-payload", "a payload that is not there is null", ({ say }, kit) =>
    Effect.gen(function*() {
      for (const text of ["{}", "{\"payload\":null}"]) {
        const lines = yield* say("typed.nothing", text)
        yield* kit.holds(
          lines.length === 1 && lines[0]!["type"] === "success" && (lines[0]!["value"] ?? null) === null,
          "success without a value",
          json(lines)
        )
      }
    })),

  calls(
    "json-call-null",
    "a field that is null is as one that is not there, and unknown ones are ignored",
    ({ gives }) =>
      gives(twice, asking(4, { hash: null, headers: null, stream: null, discard: null, window: null, colour: "red" }), {
        type: "success",
        value: 8
      })
  ),

  calls(
    "json-call-hash",
    "another hash runs nothing: a mismatch says the hash and the contract",
    ({ gives, say }, kit) =>
      Effect.gen(function*() {
        const [line] = yield* say(twice, asking(1, { hash: "0123456789abcdef" }))
        const told = json(line)
        yield* kit.holds(
          line?.["type"] === "mismatch" && /^[0-9a-f]{16}$/.test(line["hash"]) && typeof line["contract"] === "object",
          "a mismatch with a hash and a contract",
          told
        )
        const { error, payload, stream, success } = line!["contract"]
        yield* kit.holds(
          typeof payload === "object" && typeof success === "object" && Array.isArray(error?.anyOf) && stream === false,
          "payload, success, error and stream",
          told
        )
        // By the hash that it said, it runs.
        yield* gives(twice, asking(1, { hash: line!["hash"] }), { type: "success", value: 2 })
      })
  ),

  calls(
    "contract-hash",
    "a hash is that of its contract, as JSON",
    ({ say }, kit) =>
      Effect.gen(function*() {
        for (const name of hashed) {
          const [line] = yield* say(name, json({ hash: "0123456789abcdef" }))
          const lined = Contract.hash(line?.["contract"] ?? {})
          yield* kit.holds(
            line?.["hash"] === lined,
            `the hash ${lined} of ${json(line?.["contract"])}`,
            json(line?.["hash"])
          )
        }
      })
  ),

  calls(
    "contract-nothing",
    "what has no payload or no result has the type null, and what cannot fail an error that is none",
    (all, kit) =>
      Effect.gen(function*() {
        const [line] = yield* all.say("typed.nothing", json({ hash: "0123456789abcdef" }))
        const { error, payload, success } = line?.["contract"] ?? {}
        yield* kit.holds(
          payload?.type === "null" && success?.type === "null" && json(error?.anyOf) === "[{\"not\":{}}]",
          "null, null, and {\"anyOf\":[{\"not\":{}}]}",
          json(line)
        )
      })
  ),

  calls("json-call-contract", "the hash is what describe tells", ({ say }, kit, session) =>
    Effect.gen(function*() {
      const [line] = yield* say(twice, asking(1, { hash: "0123456789abcdef" }))
      yield* session.call(100, "handle", json({ function: "describe", args: [twice], kwargs: {} }))
      const described = parseJson((yield* session.answer(100)).bytes)
      const [one] = described?.value ?? []
      yield* kit.holds(one?.contract === line?.["hash"], `the contract ${line?.["hash"]}`, json(one ?? described))
    })),

  calls(
    "json-call-hash",
    "a payload that cannot be decoded, and a stream where there is none, are mismatches",
    (all) =>
      Effect.gen(function*() {
        yield* all.gives(twice, asking("one"), { type: "mismatch" })
        yield* all.gives(twice, "{}", { type: "mismatch" })
        yield* all.gives(twice, asking(1, { stream: true }), { type: "mismatch" })
        yield* all.gives(count, json({ payload: { to: 2 } }), { type: "mismatch" })
      })
  ),

  calls(
    "json-call-one-value",
    "what stands behind the line of a call of one value is ignored",
    ({ gives }) => gives(twice, `${asking(3)}\nand more\n{}`, { type: "success", value: 6 })
  ),

  calls(
    "deadline-question",
    "a typed call whose line has not come whole when its time is up is RESET deadline then",
    ({ begin, gives }, _kit, session) =>
      Effect.gen(function*() {
        yield* session.reset(yield* begin(twice, asking(1), { deadline: 300 }), "deadline", 2_000)
        yield* gives(twice, asking(2), { type: "success", value: 4 })
      })
  ),

  calls("json-call-malformed", "a request that is none is RESET internal", ({ resets }) =>
    Effect.gen(function*() {
      const texts = [
        "",
        "\n",
        "{",
        "[]",
        "1",
        "{\"payload\":{\"n\":1e400}}",
        "{\"payload\":{\"n\":1},\"hash\":1}",
        "{\"payload\":{\"n\":1},\"headers\":{}}",
        "{\"payload\":{\"n\":1},\"window\":-1}",
        "{\"payload\":{\"n\":1},\"stream\":\"yes\"}",
        `{"payload":${"[".repeat(600)}${"]".repeat(600)}}`,
        concat(utf8("{\"payload\":\""), Uint8Array.of(0xc0, 0xaf), utf8("\"}"))
      ]
      for (const text of texts) yield* resets("internal", twice, text)
    })),

  calls(
    "typed-not-found",
    "a call that nobody serves is RESET not_found, as JSON",
    ({ resets }) =>
      Effect.gen(function*() {
        for (const name of unserved) yield* resets("not_found", name, "{}")
      })
  ),

  calls("json-call-failure", "a typed error comes as failed, with the error", ({ say }, kit) =>
    Effect.gen(function*() {
      const lines = yield* say("typed.fail", "{}")
      const [line] = lines
      yield* kit.holds(
        lines.length === 1 && line!["type"] === "error" && line!["code"] === "failed" &&
          typeof line!["error"]?._tag === "string",
        "one line, code failed, with the error",
        json(lines)
      )
    })),

  calls(
    "json-call-unknown",
    "a handler that breaks is an error of the code internal, with nothing about why",
    ({ say }, kit) =>
      Effect.gen(function*() {
        const lines = yield* say("typed.break", "{}")
        yield* kit.holds(
          lines.length === 1 && lines[0]!["type"] === "error" && lines[0]!["code"] === "internal" &&
            !/secret|stack/.test(json(lines)),
          "one line, code internal, and no more",
          json(lines)
        )
      })
  ),

  calls(
    "json-call-success",
    "a call with discard is answered when it begins, without a value",
    ({ say }, kit) =>
      Effect.gen(function*() {
        const lines = yield* say("typed.hold", "{\"discard\":true}")
        yield* kit.holds(
          lines.length === 1 && lines[0]!["type"] === "success" && lines[0]!["value"] === undefined,
          "success without a value",
          json(lines)
        )
      })
  ),

  calls(
    "deadline-passed",
    "a typed call whose time is up is RESET deadline",
    ({ ended }, kit) =>
      Effect.flatMap(
        ended("typed.hold", "{}", { deadline: 300 }),
        (over) => kit.holds(over._tag === "Reset" && over.code === "deadline", "RESET deadline", describeEnded(over))
      )
  )
]

/** The values of chunks. */
const valuesOf = (lines: ReadonlyArray<Line>): ReadonlyArray<unknown> =>
  lines.filter(({ type }) => type === "chunk").flatMap(({ values }) => values as ReadonlyArray<unknown>)

/** The lines that come of a stream until there are so many, and whatever comes then at once. */
const heard = (kit: Kit, session: Session, stream: number, lines: number) =>
  Effect.gen(function*() {
    let bytes: Bytes = new Uint8Array(0)
    const isData = (one: Frame) => one.stream === stream && one.kind === data
    while (bytes.filter((byte) => byte === 0x0a).length < lines) {
      bytes = concat(bytes, (yield* session.until(`${lines} lines`, isData)).payload)
    }
    const { frames } = yield* session.gather(300)
    return yield* linesOf(kit, concat(bytes, ...frames.filter(isData).map(({ payload }) => payload)))
  })

const streams = [
  calls(
    "json-call-values",
    "the elements of a stream come in chunks, none of them empty, and success behind them",
    (all, kit, session) =>
      Effect.gen(function*() {
        const stream = yield* all.begin(count, `${json({ payload: { to: 5 }, stream: true })}\n`)
        const over = yield* session.answer(stream)
        const lines = yield* linesOf(kit, over.bytes)
        yield* kit.holds(json(valuesOf(lines)) === "[1,2,3,4,5]", "the values 1 to 5", json(lines))
        const last = lines.at(-1)
        yield* kit.holds(last?.["type"] === "success" && (last["value"] ?? null) === null, "success", json(last))
        yield* kit.holds(
          lines.every(({ type, values }) => type !== "chunk" || values.length > 0),
          "no empty chunk",
          json(lines)
        )
      })
  ),

  calls("json-call-grants", "so many chunks come as were granted", (all, kit, session) =>
    Effect.gen(function*() {
      const stream = yield* all.begin(count, `${json({ payload: { to: 100 }, stream: true, window: 0 })}\n`)
      const none = yield* heard(kit, session, stream, 0)
      yield* kit.holds(none.length === 0, "nothing with a window of 0", json(none))
      yield* session.send(msg, frame(data, stream, "{\"grant\":2}\n"))
      const two = yield* heard(kit, session, stream, 2)
      yield* kit.holds(two.length === 2, "2 chunks for a grant of 2", json(two))
      yield* session.send(msg, frame(data, stream, "{\"grant\":0}\n{\"grant\":1}\n"))
      const one = yield* heard(kit, session, stream, 1)
      yield* kit.holds(one.length === 1, "1 chunk for grants of 0 and 1", json(one))
    })),

  calls(
    "json-call-grants",
    "16 chunks come without a grant where no window is said",
    (all, kit, session) =>
      Effect.gen(function*() {
        const stream = yield* all.begin(count, `${json({ payload: { to: 100 }, stream: true })}\n`)
        const lines = yield* heard(kit, session, stream, 16)
        yield* kit.holds(lines.length === 16, "16 chunks", String(lines.length))
      })
  ),

  calls(
    "json-call-grants",
    "END where a grant is needed gives the call up",
    (all, _kit, session) =>
      Effect.gen(function*() {
        const stream = yield* all.begin(count, `${json({ payload: { to: 100 }, stream: true, window: 1 })}\n`)
        yield* session.send(msg, frame(end, stream))
        yield* session.reset(stream, "cancelled")
        yield* works(session, stream + 1)
      })
  ),

  calls("json-call-grants", "what is no grant is RESET internal", (all, _kit, session) =>
    Effect.gen(function*() {
      for (const text of ["{\"grant\":-1}\n", "{\"grant\":1.5}\n", "{\"grant\":\"1\"}\n", "[]\n", "no JSON\n"]) {
        const stream = yield* all.begin(count, `${json({ payload: { to: 100 }, stream: true, window: 1 })}\n`)
        yield* session.send(msg, frame(data, stream, text))
        yield* session.reset(stream, "internal")
      }
    }))
]

const inBinary = [
  calls("contract-hash", "a hash is that of its contract, in bytes", ({ inBytes }, kit) =>
    Effect.gen(function*() {
      for (const name of hashed) {
        const { bytes } = yield* inBytes(name, binary())
        const contract = parseJson(bytes.subarray(9)) ?? {}
        const expected = Contract.hash(contract)
        const said = Buffer.from(bytes.subarray(1, 9)).toString("hex")
        yield* kit.holds(said === expected, `the hash ${expected} of ${json(contract)}`, said)
      }
    })),

  calls(
    "typed-not-found",
    "a call that nobody serves is RESET not_found, in bytes",
    ({ resets }) =>
      Effect.gen(function*() {
        for (const name of unserved) yield* resets("not_found", name, "", "rpc")
      })
  ),

  calls(
    "typed-version",
    "a binary request of another version, or cut short, is RESET internal",
    ({ resets }) =>
      Effect.gen(function*() {
        yield* resets("internal", twice, binary({ version: 2 }), "rpc")
        yield* resets("internal", twice, binary({ version: 0 }), "rpc")
        for (const bytes of [new Uint8Array(0), binary().subarray(0, 3), binary().subarray(0, -1), number(3, 4)]) {
          yield* resets("internal", twice, bytes, "rpc")
        }
      })
  ),

  calls(
    "contract-mismatch",
    "another hash in a binary request is answered with a hash and a contract",
    ({ inBytes }, kit) =>
      Effect.gen(function*() {
        const over = yield* inBytes(twice, binary({}, "whatever"))
        const contract = parseJson(over.bytes.subarray(9))
        yield* kit.holds(
          over._tag === "End" && over.bytes[0] === 3 && typeof contract?.payload === "object" &&
            typeof contract.success === "object" && Array.isArray(contract.error?.anyOf) && contract.stream === false,
          "0x03, a hash, and the contract as JSON",
          describeEnded(over)
        )
      })
  ),

  calls(
    "contract-mismatch-stream",
    "a stream where there is one value is a mismatch, of the right hash",
    ({ inBytes }, kit) =>
      Effect.gen(function*() {
        const first = yield* inBytes(twice, binary())
        const hash = first.bytes.slice(1, 9)
        // Flag 8: a stream is expected.
        const over = yield* inBytes(twice, binary({ hash, flags: 8 }))
        yield* kit.holds(over._tag === "End" && over.bytes[0] === 3, "0x03 again", describeEnded(over))
      })
  )
]

/** The order to call `typed.twice`, as far as the request by JSON. */
const asJson = (kit: Kit) =>
  Effect.gen(function*() {
    const door = yield* Door.open(kit)
    const call = yield* door.order({ how: "twice", payload: "21" })
    const session = yield* door.session()
    const first = yield* session.until("OPEN", ({ kind }) => kind === open)
    let opened = first
    if (parseJson(first.payload)?.protocol === "rpc") {
      yield* session.send(err, frame(reset, first.stream, json({ code: "unsupported", message: "" })))
      opened = yield* session.until("OPEN of rpc-json", ({ kind }) => kind === open)
    }
    const said = parseJson(opened.payload)
    yield* kit.holds(said?.protocol === "rpc-json" && said?.name === twice, `rpc-json ${twice}`, describe(opened))
    let text = ""
    while (true) {
      const one = yield* session.until("the request, and END", ({ stream }) => stream === opened.stream)
      if (one.kind === end) break
      if (one.kind === data) text += textOf(one.payload)
    }
    const [request] = yield* Effect.map(Effect.succeed(text.split("\n")), (lines) => lines)
    return { call, session, stream: opened.stream, request: parseJson(utf8(request ?? "")) as Line | undefined, text }
  })

const served = [
  ordered(
    "json-call-unsupported",
    "who is RESET unsupported in rpc calls by rpc-json",
    (kit) =>
      Effect.gen(function*() {
        const { call, request, session, stream, text } = yield* asJson(kit)
        yield* kit.holds(json(request?.["payload"]) === "{\"n\":21}", "the payload {\"n\":21}", text)
        const hash = request?.["hash"]
        yield* kit.holds(hash === undefined || /^[0-9a-f]{16}$/.test(hash), "no hash, or 16 hex digits", text)
        yield* session.send(rsp, frame(data, stream, "{\"type\":\"success\",\"value\":42}\n"), frame(end, stream))
        const called = yield* call.called
        yield* kit.holds(called._tag === "Answered" && textOf(called.bytes) === "42", "42, given on", told(called))
      })
  ),

  ordered(
    "json-call-unknown",
    "a type that is not known is read as internal: the call has failed",
    (kit) =>
      Effect.gen(function*() {
        const { call, session, stream } = yield* asJson(kit)
        yield* session.send(rsp, frame(data, stream, "{\"type\":\"of another day\"}\n"), frame(end, stream))
        yield* failed(kit, call)
      })
  ),

  ordered("json-call-answer-wrong", "what is no answer fails the call", (kit) =>
    Effect.gen(function*() {
      for (const [i, text] of ["no JSON\n", "[]\n", "{\"value\":42}\n", "{\"type\":\"success\",\"val", ""].entries()) {
        yield* Effect.scoped(Effect.gen(function*() {
          const own = kit.another(`${kit.name}-${i}`)
          const { call, session, stream } = yield* asJson(own)
          yield* session.send(rsp, ...(text === "" ? [] : [frame(data, stream, text)]), frame(end, stream))
          own.note(text)
          yield* failed(own, call)
        }))
      }
    }))
]

export const typed = [...requests, ...streams, ...inBinary, ...served]
