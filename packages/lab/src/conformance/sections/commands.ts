/** Section 5, "Commands": functions by name, one JSON document each way. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import * as Door from "../door.ts"
import type { Kit } from "../kit.ts"
import { describeEnded, parseJson, type Session } from "../session.ts"
import { type Bytes, concat, shown, textOf, utf8 } from "../speech/bytes.ts"
import { frame, json, Kind, msg, openFrame, rsp } from "../speech/frames.ts"
import { failed, told } from "./asked.ts"
import { works } from "./frames.ts"

const check = checksOf("commands")

const builtIns = ["describe", "get_funcs", "get_peers"]

/** That the peer's call of a function comes to something when it is answered so. */
const answered = (rule: string, title: string, answers: ReadonlyArray<readonly [document: string, value?: string]>) =>
  checksOf("commands", "orders", "a LAN")(
    rule,
    title,
    (kit) =>
      Effect.forEach(answers, ([document, value], i) =>
        Effect.scoped(Effect.gen(function*() {
          const own = kit.another(`${kit.name}-${i}`)
          const door = yield* Door.open(own)
          const calling = yield* door.order({ how: "call", name: "work", payload: "argument" })
          const session = yield* door.session()
          const opened = yield* session.until("OPEN", ({ kind }) => kind === Kind.open)
          const { name, protocol } = parseJson(opened.payload) ?? {}
          yield* own.holds(
            protocol === "command" && name === "handle",
            "OPEN of command, handle",
            shown(opened.payload)
          )
          let text = ""
          while (true) {
            const one = yield* session.until("the call, and END", ({ stream }) => stream === opened.stream)
            if (one.kind === Kind.end) break
            if (one.kind === Kind.data) text += textOf(one.payload)
          }
          const call = parseJson(utf8(text))
          yield* own.holds(
            call?.function === "work" && json(call.args) === "[\"argument\"]" && json(call.kwargs ?? {}) === "{}",
            "{\"function\":\"work\",\"args\":[\"argument\"],\"kwargs\":{}}",
            text
          )
          yield* session.send(
            rsp,
            ...(document === "" ? [] : [frame(Kind.data, opened.stream, document)]),
            frame(Kind.end, opened.stream)
          )
          own.note(document)
          if (value === undefined) return yield* failed(own, calling)
          const result = yield* calling.called
          yield* own.holds(
            result._tag === "Answered" && textOf(result.bytes) === value,
            `the value ${value}, given on`,
            told(result)
          )
        })), { discard: true })
  )

/** Calls of one session, one stream after another. */
const calling = (kit: Kit, session: Session) => {
  let stream = 0
  /** The answer to a document. */
  const say = (document: string | Bytes) =>
    Effect.gen(function*() {
      stream++
      yield* session.call(stream, "handle", document)
      const ended = yield* session.answer(stream)
      if (ended._tag === "Reset") return yield* kit.mismatch("one JSON document and END", describeEnded(ended))
      const answer = parseJson(ended.bytes)
      return typeof answer === "object" && answer !== null && !Array.isArray(answer)
        ? answer as Record<string, any>
        : yield* kit.mismatch("a JSON object", shown(ended.bytes))
    })
  /** The value that a function gives. */
  const value = (name: string, args: ReadonlyArray<unknown> = [], kwargs: Record<string, unknown> = {}) =>
    Effect.gen(function*() {
      const answer = yield* say(json({ function: name, args, kwargs }))
      if (answer["type"] !== "success") return yield* kit.mismatch("type success", JSON.stringify(answer))
      return answer["value"] as unknown
    })
  /** That a document is answered with an error of a code. */
  const fails = (code: string, document: string | Bytes, what?: string) =>
    Effect.gen(function*() {
      const answer = yield* say(document)
      kit.note(what ?? (typeof document === "string" ? document.slice(0, 200) : shown(document)))
      yield* kit.holds(
        answer["type"] === "error" && answer["code"] === code && typeof answer["description"] === "string",
        `type error, code ${code}, and a description`,
        JSON.stringify(answer)
      )
      return answer
    })
  const gives = (document: string | Bytes, expected: unknown) =>
    Effect.flatMap(say(document), (answer) =>
      kit.holds(
        answer["type"] === "success" && JSON.stringify(answer["value"]) === JSON.stringify(expected),
        `the value ${JSON.stringify(expected).slice(0, 100)}`,
        JSON.stringify(answer).slice(0, 400)
      ))
  return { say, value, fails, gives, next: () => ++stream }
}

/** A check of calls in a session of its own. */
const calls = (
  rule: string,
  title: string,
  run: (
    calls: ReturnType<typeof calling>,
    kit: Kit,
    session: Session
  ) => ReturnType<Parameters<typeof check>[2]>
) => check(rule, title, (kit) => Effect.flatMap(kit.session(), (session) => run(calling(kit, session), kit, session)))

const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`
const add = (more: string) => `{"function":"add","args":[1,2],"kwargs":{}${more}}`

export const commands = [
  calls(
    "command-document",
    "a call is one document, and its answer another, and END",
    ({ gives }) =>
      Effect.gen(function*() {
        yield* gives(json({ function: "add", args: [1, 2], kwargs: {} }), 3)
        yield* gives(json({ function: "echo", args: [{ a: [1, "ü", null, true, 1.5e-7] }], kwargs: {} }), {
          a: [1, "ü", null, true, 1.5e-7]
        })
      })
  ),

  calls(
    "command-document",
    "the document may come cut anywhere, and with blanks around it",
    ({ next }, kit, session) =>
      Effect.gen(function*() {
        const stream = next()
        yield* session.send(msg, openFrame(stream, "handle"))
        for (const letter of utf8("\n {\"function\" : \"add\", \"args\":[1, 2] } ")) {
          yield* session.send(msg, frame(Kind.data, stream, Uint8Array.of(letter)))
        }
        yield* session.send(msg, frame(Kind.end, stream))
        const ended = yield* session.answer(stream)
        yield* kit.holds(
          parseJson(ended.bytes)?.value === 3,
          "{\"type\":\"success\",\"value\":3}",
          describeEnded(ended)
        )
      })
  ),

  calls(
    "deadline-question",
    "a call that has not come whole when its time is up is RESET deadline then, and the next is answered",
    ({ gives, next }, _kit, session) =>
      Effect.gen(function*() {
        const stream = next()
        yield* session.send(
          msg,
          openFrame(stream, "handle", { deadline: 300 }),
          frame(Kind.data, stream, "{\"function\":\"add\",\"args\":[1,2]}")
        )
        yield* session.reset(stream, "deadline", 2_000)
        yield* gives("{\"function\":\"add\",\"args\":[1,2]}", 3)
      })
  ),

  calls(
    "command-args",
    "without args there are none",
    ({ gives }) => gives("{\"function\":\"keywords\",\"kwargs\":{}}", {})
  ),

  calls(
    "command-kwargs",
    "keyword arguments come by name, and without them there are none",
    ({ gives }) =>
      Effect.gen(function*() {
        yield* gives("{\"function\":\"keywords\",\"args\":[],\"kwargs\":{\"a\":1,\"ü\":[2]}}", { a: 1, ü: [2] })
        yield* gives("{\"function\":\"add\",\"args\":[1,2]}", 3)
      })
  ),

  calls(
    "command-absent",
    "`absent` is of no consequence to a function that takes null",
    ({ gives }) => gives("{\"function\":\"add\",\"args\":[1,2],\"absent\":[]}", 3)
  ),

  calls(
    "command-fields-unknown",
    "fields that are not known are ignored",
    ({ gives }) => gives(add(",\"colour\":\"red\",\"version\":[2]"), 3)
  ),

  calls(
    "command-fields-null",
    "a field that is null is as one that is not there",
    ({ gives }) =>
      Effect.gen(function*() {
        yield* gives("{\"function\":\"add\",\"args\":[1,2],\"kwargs\":null,\"absent\":null}", 3)
        yield* gives("{\"function\":\"keywords\",\"args\":null,\"kwargs\":{\"a\":1}}", { a: 1 })
      })
  ),

  calls(
    "command-code-invalid-arguments",
    "what is no call is invalid_arguments",
    ({ fails }) =>
      Effect.gen(function*() {
        const documents = [
          "",
          "{",
          "[]",
          "1",
          "null",
          "{}",
          "{\"function\":1,\"args\":[]}",
          "{\"function\":\"add\",\"args\":{}}",
          "{\"function\":\"add\",\"args\":[1,2],\"kwargs\":[]}",
          "{\"function\":\"add\",\"args\":[1,2]} {}",
          concat(utf8("{\"function\":\"echo\",\"args\":[\""), Uint8Array.of(0xc0, 0xaf), utf8("\"]}"))
        ]
        for (const document of documents) yield* fails("invalid_arguments", document)
      })
  ),

  calls("command-finite", "a number that is not finite makes no call", ({ fails }) =>
    Effect.gen(function*() {
      yield* fails("invalid_arguments", "{\"function\":\"echo\",\"args\":[1e400]}")
      yield* fails("invalid_arguments", "{\"function\":\"echo\",\"args\":[{\"a\":[-1e999]}]}")
      yield* fails("invalid_arguments", "{\"function\":\"echo\",\"args\":[NaN]}")
    })),

  calls("command-levels", "an argument may have 512 levels", ({ say }, kit) =>
    Effect.gen(function*() {
      const answer = yield* say(`{"function":"echo","args":[${nested(512)}]}`)
      yield* kit.holds(answer["type"] === "success", "type success", JSON.stringify(answer).slice(0, 300))
    })),

  calls("command-levels", "an argument of 513 levels is invalid_arguments", ({ fails }) =>
    Effect.gen(function*() {
      yield* fails("invalid_arguments", `{"function":"echo","args":[${nested(513)}]}`, "513 levels")
      yield* fails("invalid_arguments", `{"function":"echo","args":[${nested(50_000)}]}`, "50,000 levels")
      yield* fails("invalid_arguments", nested(50_000), "50,000 levels of nothing else")
    })),

  calls(
    "command-many-args",
    "10,000 args are taken, and one more is invalid_arguments",
    ({ fails, gives }) =>
      Effect.gen(function*() {
        const args = (n: number) => `{"function":"echo","args":[${Array.from({ length: n }, () => "1").join()}]}`
        yield* gives(args(10_000), 1)
        yield* fails("invalid_arguments", args(10_001), "10,001 args")
      })
  ),

  calls(
    "command-code-unknown-function",
    "a function that is not there is unknown_function",
    ({ fails }) =>
      Effect.gen(function*() {
        for (const name of ["nothing of that name", "", "toString", "__proto__", "constructor"]) {
          yield* fails("unknown_function", json({ function: name, args: [], kwargs: {} }))
        }
      })
  ),

  calls(
    "command-code-failed",
    "a typed error comes as failed, with the error in `error`",
    ({ fails }, kit) =>
      Effect.gen(function*() {
        const { error } = yield* fails("failed", json({ function: "fail", args: [], kwargs: {} }))
        yield* kit.holds(typeof error?._tag === "string", "an error with its tag in _tag", JSON.stringify(error))
      })
  ),

  calls(
    "command-code-internal",
    "a function that breaks is internal, with nothing about why",
    ({ fails }, kit) =>
      Effect.gen(function*() {
        const answer = yield* fails("internal", json({ function: "break", args: [], kwargs: {} }))
        const told = JSON.stringify(answer)
        yield* kit.holds(!/secret|stack|at .*\(/.test(told), "nothing about why", told)
      })
  ),

  calls(
    "command-code-not-json",
    "a result that JSON has no form for is not_json",
    ({ fails }) => fails("not_json", json({ function: "nonsense", args: [], kwargs: {} }))
  ),

  calls(
    "command-nothing",
    "a function that gives nothing gives null",
    ({ gives }) => gives(json({ function: "nothing", args: [], kwargs: {} }), null)
  ),

  calls(
    "command-get-funcs",
    "get_funcs gives the names of all functions, sorted, the built-in ones too",
    ({ value }, kit) =>
      Effect.gen(function*() {
        const names = yield* value("get_funcs")
        const told = JSON.stringify(names)
        if (!Array.isArray(names)) return yield* kit.mismatch("a list", told)
        yield* kit.holds(builtIns.every((name) => names.includes(name)), `${builtIns.join(", ")} among them`, told)
        yield* kit.holds(names.every((name, i) => i === 0 || names[i - 1] < name), "each once, sorted", told)
      })
  ),

  calls(
    "command-get-peers",
    "get_peers gives the names of the peers, sorted, each once",
    ({ value }, kit) =>
      Effect.gen(function*() {
        const names = yield* value("get_peers")
        const told = JSON.stringify(names)
        if (!Array.isArray(names)) return yield* kit.mismatch("a list", told)
        yield* kit.holds(names.every((name) => typeof name === "string"), "names", told)
        yield* kit.holds(names.every((name, i) => i === 0 || names[i - 1] < name), "each once, sorted", told)
        yield* kit.holds(names.includes(kit.name), `${kit.name}, whose session it is, among them`, told)
      })
  ),

  calls("command-describe", "describe says of each function what it is", ({ value }, kit) =>
    Effect.gen(function*() {
      const all = yield* value("describe")
      const names = yield* value("get_funcs")
      const told = JSON.stringify(all).slice(0, 600)
      if (!Array.isArray(all)) return yield* kit.mismatch("a list", told)
      yield* kit.holds(
        JSON.stringify([...all.map(({ name }) => name), ...builtIns].sort()) === JSON.stringify(names) &&
          all.every(({ name }, i) => i === 0 || all[i - 1].name < name),
        "those of get_funcs but the built-in ones, in that order",
        told
      )
      yield* kit.holds(
        all.every(({ kind }) => kind === "function" || kind === "command" || kind === "rpc"),
        "kinds function, command or rpc",
        told
      )
      const some = yield* value("describe", ["echo", "nothing of that name", "add", "get_peers"])
      yield* kit.holds(
        Array.isArray(some) && some.map(({ name }) => name).join() === "add,echo",
        "add and echo alone",
        JSON.stringify(some).slice(0, 300)
      )
    })),

  calls(
    "command-describe",
    "an argument of describe that is no text is invalid_arguments",
    ({ fails }) =>
      Effect.gen(function*() {
        yield* fails("invalid_arguments", json({ function: "describe", args: [1], kwargs: {} }))
        yield* fails("invalid_arguments", json({ function: "describe", args: ["get_peers", ["a"]], kwargs: {} }))
      })
  ),

  calls(
    "command-size",
    "a document of more than 8 MiB is RESET too_large",
    ({ next }, kit, session) =>
      Effect.gen(function*() {
        const stream = next()
        yield* session.send(msg, openFrame(stream, "handle"))
        let [left, may] = [8_388_608 + 65_536, 262_144]
        const part = new Uint8Array(65_536).fill(0x20)
        while (left > 0) {
          while (left > 0 && may >= part.length) {
            yield* session.send(msg, frame(Kind.data, stream, part))
            left -= part.length
            may -= part.length
          }
          const one = yield* session.until("CREDIT, or RESET", (each) => each.stream === stream)
          if (one.kind === Kind.reset) {
            const code = parseJson(one.payload)?.code
            return yield* kit.holds(code === "too_large", "the code too_large", textOf(one.payload))
          }
          if (one.kind === Kind.credit) may += new DataView(one.payload.buffer, one.payload.byteOffset).getUint32(0)
        }
        yield* session.send(msg, frame(Kind.end, stream))
        yield* session.reset(stream, "too_large")
      })
  ),

  answered("command-document", "the peer calls with one document, and takes the answer's value", [
    ["{\"type\":\"success\",\"value\":{\"a\":[1,null]}}", "{\"a\":[1,null]}"],
    [" {\"value\" : 1.5, \"type\":\"success\",\"colour\":\"red\"}\n", "1.5"]
  ]),

  answered("command-nothing", "an answer without a value is null", [["{\"type\":\"success\"}", "null"]]),

  answered("command-no-code", "an error fails the call, without a code and with one that is not known", [
    ["{\"type\":\"error\",\"description\":\"x\"}"],
    ["{\"type\":\"error\",\"code\":\"of another day\",\"description\":\"x\"}"],
    ["{\"type\":\"error\",\"code\":\"failed\",\"description\":\"x\",\"error\":{\"_tag\":\"X\"}}"]
  ]),

  answered("command-finite", "what is no answer fails the call", [
    ["{\"type\":\"success\",\"value\":1e400}"],
    ["{\"type\":\"of another day\",\"value\":1}"],
    ["[]"],
    ["{\"type\":\"success\",\"val"],
    [""]
  ]),

  calls(
    "deadline-passed",
    "a call whose time is up is RESET deadline",
    ({ next }, _kit, session) =>
      Effect.gen(function*() {
        const stream = next()
        yield* session.call(stream, "handle", json({ function: "hold", args: [], kwargs: {} }), { deadline: 300 })
        yield* session.reset(stream, "deadline")
        yield* works(session, next())
      })
  ),

  calls(
    "stream-reset-interrupts",
    "a RESET of the opener's ends a call without an answer",
    ({ next }, kit, session) =>
      Effect.gen(function*() {
        const stream = next()
        yield* session.call(stream, "handle", json({ function: "hold", args: [], kwargs: {} }))
        yield* Effect.sleep("50 millis")
        yield* session.send(msg, frame(Kind.reset, stream, json({ code: "cancelled", message: "" })))
        const { frames } = yield* session.gather(400)
        const after = frames.filter((one) => one.stream === stream && one.kind !== Kind.credit)
        yield* kit.holds(after.length === 0, "nothing more of it", JSON.stringify(after))
      })
  )
]
