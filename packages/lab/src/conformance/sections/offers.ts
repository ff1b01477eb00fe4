/** Section 14: what a peer says that it offers. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import type { Kit } from "../kit.ts"
import { parseJson, type Session } from "../session.ts"
import { textOf } from "../speech/bytes.ts"
import { frame, json, Kind, msg } from "../speech/frames.ts"
import { NotThere } from "../subject.ts"

const check = checksOf("sessions")

const asks = (stream: number) => [
  frame(Kind.open, stream, json({ protocol: "offer", name: "" })),
  frame(Kind.end, stream)
]

const isText = (value: unknown, most: number, odd: RegExp): boolean =>
  typeof value === "string" && value.length > 0 && new TextEncoder().encode(value).length <= most && !odd.test(value)

const control = /[\p{Cc}\p{Surrogate}]/u

/** A name, or a pattern of names, of at most 16 segments. */
const isTopic = (value: unknown): boolean => {
  if (!isText(value, 255, /[\p{Cc}\p{Surrogate}\s]/u)) return false
  const segments = String(value).split(".")
  return segments.length <= 16 &&
    segments.every((one, i) => one === "*" || /^[^*>]+$/.test(one) || one === ">" && i === segments.length - 1)
}

const isFrom = (value: unknown, from: number, to: number): boolean =>
  Number.isInteger(value) && Number(value) >= from && Number(value) <= to

const isSubscription = (said: unknown): boolean => {
  if (typeof said !== "object" || said === null) return false
  const { contract = "bytes", drop = "oldest", group = "g", id, mode = "buffer", retained = true, size = 1, topic } =
    said as Record<string, unknown>
  return isFrom(id, 1, 2 ** 31 - 1) && isTopic(topic) && isFrom(size, 1, 65_536) && typeof retained === "boolean" &&
    ["buffer", "latest", "lossless"].includes(String(mode)) && ["oldest", "newest"].includes(String(drop)) &&
    isText(group, 64, /[\p{Cc}\p{Surrogate}*]/u) &&
    (contract === "bytes" || /^[0-9a-f]{16}$/.test(String(contract)) && !/[*>]/.test(String(topic)))
}

/** What of a line is not as the table of the section has it. */
const faultOf = (said: Record<string, unknown>): string | undefined => {
  const { capacity = 1, draining = false, functions = {}, meta = {}, roles = [], topics = [] } = said
  const isRole = (role: unknown) => isText(role, 64, /[\p{Cc}\p{Surrogate}*]/u)
  if (!Array.isArray(roles) || roles.length > 16 || !roles.every(isRole)) return "roles"
  if (new TextEncoder().encode(JSON.stringify(meta)).length > 512) return "meta"
  const isFact = (value: unknown) => ["string", "number", "boolean"].includes(typeof value)
  if (!Object.values(meta as object).every(isFact)) return "meta"
  const served = Object.entries(functions as object)
  const isServed = ([name, hash]: [string, unknown]) =>
    isText(name, 255, control) && /^([0-9a-f]{16})?$/.test(String(hash))
  if (served.length > 1_024 || !served.every(isServed)) return "functions"
  if (typeof draining !== "boolean") return "draining"
  if (!Array.isArray(topics) || topics.length > 256 || !topics.every(isSubscription)) return "topics"
  if (new Set(topics.map(({ id }) => id)).size < topics.length) return "the ids of topics"
  return isFrom(capacity, 1, 1_000_000) ? undefined : "capacity"
}

/** The line that comes on a stream; a peer of before this section does not know the protocol. */
const lineOn = (kit: Kit, session: Session, stream: number) =>
  Effect.gen(function*() {
    let line = ""
    while (!line.includes("\n")) {
      const { kind, payload } = yield* session.until(
        "a line",
        (one) => one.stream === stream && one.kind !== Kind.credit
      )
      if (kind === Kind.reset && parseJson(payload)?.code === "unsupported") {
        return yield* new NotThere({ why: "the peer does not tell what it offers" })
      }
      yield* kit.holds(kind === Kind.data, "DATA", json(parseJson(payload) ?? kind))
      line += textOf(payload)
    }
    return line
  })

/** Those of one key that were asked within the second do not count any more. */
const another = Effect.sleep("1100 millis")

export const offers = [
  check(
    "offer-stream",
    "who asks what the peer offers is told so in a line of JSON, whose END does not come",
    (kit) =>
      Effect.gen(function*() {
        yield* another
        const session = yield* kit.session()
        yield* session.send(msg, ...asks(1))
        const line = yield* lineOn(kit, session, 1)
        yield* kit.holds(line.length <= 65_536 && line.indexOf("\n") === line.length - 1, "one line, and no more", line)
        const said = parseJson(new TextEncoder().encode(line.trim()))
        const fault = said === undefined ? "an object" : faultOf(said as unknown as Record<string, unknown>)
        yield* kit.holds(fault === undefined, "fields as the table has them", `${String(fault)} of ${line}`)
        const { frames } = yield* session.gather(400)
        yield* kit.holds(frames.every(({ kind }) => kind !== Kind.end), "no END", json(frames.map(({ kind }) => kind)))
      }),
    { seconds: 2, alone: true }
  ),

  check(
    "offer-one",
    "another stream ends the one before with RESET cancelled",
    (kit) =>
      Effect.gen(function*() {
        yield* another
        const session = yield* kit.session()
        yield* session.send(msg, ...asks(1))
        yield* lineOn(kit, session, 1)
        yield* session.send(msg, ...asks(2))
        yield* session.reset(1, "cancelled")
        yield* session.send(msg, ...asks(3))
        yield* lineOn(kit, session, 3)
      }),
    { seconds: 3, alone: true }
  ),

  check(
    "offer-often",
    "of more than four streams within a second the further ones are RESET refused",
    (kit) =>
      Effect.gen(function*() {
        yield* another
        const session = yield* kit.session()
        yield* session.send(msg, ...asks(1))
        yield* lineOn(kit, session, 1)
        yield* session.send(msg, ...[2, 3, 4, 5, 6].flatMap(asks))
        yield* session.reset(6, "refused")
        yield* another
        yield* session.send(msg, ...asks(7))
        yield* lineOn(kit, session, 7)
      }),
    { seconds: 3, alone: true }
  )
]
