/**
 * What is said of a failure: the error's own message, what to do next at a command line, and the exit code.
 */
import type { Obstacle } from "@pnet/core/Obstacle"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { atCommandLine, pointer } from "./atCommandLine.ts"
import { type ExitName, exitOf, exits } from "./exit.ts"
import { didYouMean } from "./nearest.ts"
import { quoted } from "./output/quoted.ts"

/** A failure of the command's own. */
export class Problem extends Schema.TaggedError<Problem>("@pnet/cli/errors/Problem")("Problem", {
  exit: Schema.Literals(Object.keys(exits) as ReadonlyArray<ExitName>),
  /** What was tried and what happened. */
  what: Schema.String,
  /** The tag of the library's error that it says more of. */
  tag: Schema.optionalKey(Schema.String),
  /** What to do next. */
  hint: Schema.optionalKey(Schema.String),
  /** What is in the way, which ends what happened, and which a warning may have said already. */
  because: Schema.optionalKey(Schema.String),
  /** What is wrong with what was given, place by place. */
  mistakes: Schema.optionalKey(Schema.Array(
    Schema.Struct({ where: Schema.String, expected: Schema.String, found: Schema.optionalKey(Schema.String) })
  )),
  /** Lines for people that point at it. */
  pointed: Schema.optionalKey(Schema.Array(Schema.String))
}) {
  override get message() {
    return this.because === undefined ? this.what : `${this.what}: ${this.because}`
  }
}

/** The failure was shown already; this is what the process is to end with. */
export class Told extends Schema.TaggedError<Told>("@pnet/cli/errors/Told")("Told", { code: Schema.Number }) {}

/** A failure as it is shown. */
export interface Failure {
  readonly error: string
  readonly message: string
  readonly exit: ExitName
  readonly hint?: string
  /** A moment in the message, as it stands there, which people read by their own clock. */
  readonly moment?: string
  /** Reasons that the message has: what was in the way, and the part of the message that says it. */
  readonly because?: ReadonlyArray<{ readonly what: string; readonly sentence: string }>
  /** The command that explains it. */
  readonly see?: string
  readonly mistakes?: ReadonlyArray<{ readonly where: string; readonly expected: string; readonly found?: string }>
  readonly pointed?: ReadonlyArray<string>
  /** The function's own error, which its peer sent. */
  readonly detail?: Schema.Json
}

const tagOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
    ? error._tag
    : undefined

const messageOf = (error: unknown): string => {
  const message = typeof error === "object" && error !== null && "message" in error ? error.message : error
  return typeof message === "string" && message !== "" ? message : tagOf(error) ?? String(error)
}

/** A field of an error. Errors of libraries are looked into by their tags, so that none of them has to be loaded here. */
const field = (error: unknown, name: string): unknown =>
  typeof error === "object" && error !== null ? (error as Record<string, unknown>)[name] : undefined

const names = (list: unknown): string => Array.isArray(list) ? list.map((name) => JSON.stringify(name)).join(", ") : ""

const namesIn = (list: unknown): ReadonlyArray<string> =>
  Array.isArray(list) ? list.filter((name) => typeof name === "string") : []

/** A span of time of an error, as the library says it. */
const spanText = (span: unknown): string | undefined => Duration.isDuration(span) ? Duration.format(span) : undefined

/** The command that shows the function that failed. */
const functionOf = (error: unknown): string =>
  `pnet functions ${quoted(String(field(error, "peer")))} ${
    quoted(String(field(error, "function") ?? field(error, "command")))
  }`

const refusedThere =
  "another node has this one's name there: take another with --name; or have its operator run pnet trust resolve"

const ofSharedName = {
  hint: "run pnet peers to see where they are, and pnet trust resolve to say whose name it is"
} as const

// The messages of the library speak to programmers. Where they say which function to call, this says which command to run.
const spoken: Record<string, (error: unknown) => Partial<Failure>> = {
  PeerUnknownError: (error) => {
    const peer = field(error, "peer")
    const known = field(error, "known")
    if (field(error, "self") === true) {
      return { hint: "it is the name of this node; give this one another with --name" }
    }
    if (field(error, "conflict") !== undefined) {
      return {
        hint: `compare the new key with its owner, then run: pnet trust resolve ${quoted(String(peer))} FINGERPRINT`
      }
    }
    if (field(error, "sharedBy") !== undefined) return { exit: "conflict", ...ofSharedName }
    if (field(error, "target") !== undefined) return {}
    const span = spanText(field(error, "waited"))
    const waited = span === undefined ? "" : ` after ${span}`
    const longer = `wait longer${span === undefined ? "" : ` than ${span}`} with --wait`
    const meant = didYouMean(String(peer), namesIn(known))
    const obstacles = field(error, "obstacles")
    if (Array.isArray(obstacles) && obstacles.length > 0) {
      return {
        because: obstacles.map(({ remedy, what }: Obstacle) => ({
          what: atCommandLine(what),
          sentence: atCommandLine(`. ${what[0]?.toUpperCase()}${what.slice(1)}: ${remedy}`)
        })),
        hint: meant ?? "run pnet doctor"
      }
    }
    return Array.isArray(known) && known.length > 0
      ? {
        message: `no peer called ${JSON.stringify(peer)} is known${waited}; known are ${names(known)}`,
        hint: meant === undefined
          ? `see who is there with pnet peers, or ${longer}`
          : `${meant} or see who is there with pnet peers`
      }
      : {
        message: `no peer called ${JSON.stringify(peer)} is known${waited}, and no other peer is`,
        hint: `start one with pnet up, ${longer}, or find out what is in the way with pnet doctor`
      }
  },
  UnknownFunctionError: (error) => ({
    message: `${JSON.stringify(field(error, "peer"))} has no function ${JSON.stringify(field(error, "function"))}`,
    hint: `run: pnet functions ${quoted(String(field(error, "peer")))}`
  }),
  InvalidArgumentsError: (error) => ({
    message:
      `${JSON.stringify(field(error, "function"))} at ${JSON.stringify(field(error, "peer"))} does not take these ` +
      `arguments: ${String(field(error, "issue"))}`,
    hint: `run: pnet functions ${quoted(String(field(error, "peer")))} ${quoted(String(field(error, "function")))}`
  }),
  NameConflictError: () => ofSharedName,
  StreamResetError: (error) => {
    const peer = String(field(error, "peer"))
    switch (field(error, "code")) {
      case "not_found":
      case "unsupported":
        return { exit: "notFound", hint: `run: pnet functions ${quoted(peer)}` }
      case "not_allowed":
        return { exit: "refused" }
      case "invalid_arguments":
        return { exit: "usage" }
      case "internal":
        return { exit: "theirs" }
      case "deadline":
        return { exit: "timeout" }
      default:
        return {}
    }
  },
  NotReceivingError: (error) => {
    const peer = String(field(error, "peer"))
    return field(error, "kind") === "NotAllowed"
      ? { exit: "refused" }
      : {
        message: `${JSON.stringify(peer)} does not receive files`,
        hint: "run there: pnet receive; or pnet up --receive DIR, with a network key or --open"
      }
  },
  SourceError: (error) => {
    const path = JSON.stringify(field(error, "path"))
    switch (field(error, "kind")) {
      case "Missing":
        return { message: `cannot send ${path}: there is nothing of that name`, hint: "correct the path" }
      case "TooMany":
        return {
          message: `cannot send ${path}: there is more in it than one transfer takes`,
          hint: "send its folders one after another"
        }
      default:
        return {}
    }
  },
  DuplicateFunctionError: (error) => ({
    message: `the function ${JSON.stringify(field(error, "function"))} is served twice`,
    hint: "give one of --fn, or of the exports of --module, another name"
  }),
  RemoteError: (error) => ({
    detail: field(error, "error") as Schema.Json,
    hint: `it is the function's own error; what it takes, and says of itself: ${functionOf(error)}`
  }),
  RemoteDefectError: (error) => ({
    hint: `it is a fault of the function, and where its node runs it is known why; what it takes: ${functionOf(error)}`
  }),
  ContractError: (error) => ({ hint: `what it says that it gives: ${functionOf(error)}` }),
  // Where in the options it is comes on a line of its own, and of this there is one.
  OptionsError: (error) => ({ message: atCommandLine(messageOf(error)).replace(/\s*\n\s*/g, " ") }),
  KeyHeldError: (error) => {
    const since = field(field(error, "holder"), "since")
    return {
      hint: "stop it, or take another name with --name",
      ...(typeof since === "string" && Option.isSome(DateTime.make(since)) ? { moment: since } : {})
    }
  },
  IdentityFileError: (error) =>
    tagOf(field(error, "reason")) === "IdentityFileUnusable"
      ? { hint: "name a folder that you may write with --keys" }
      : {},
  TrustFileError: (error) =>
    tagOf(field(error, "reason")) === "TrustFileUnusable"
      ? { hint: "name a file that you may read and write with --known-peers, or --allow-list" }
      : {},
  DialError: () => ({ hint: "run pnet doctor" }),
  ProtocolError: (error) => field(error, "code") === "ERR_UNTRUSTED" ? { exit: "refused", hint: refusedThere } : {},
  PeerLostError: (error) => field(error, "reason") === "UntrustedByPeer" ? { exit: "refused", hint: refusedThere } : {}
}

/** The command that explains a message of the library, where it says that it is explained. */
export const explained = (message: string): string | undefined => {
  const topic = [...message.matchAll(pointer)].at(0)?.[1]
  return topic === undefined ? undefined : `pnet why ${topic}`
}

/** What is shown of an error. */
export const failureOf = (error: unknown): Failure => {
  const tag = tagOf(error)
  const message = messageOf(error)
  const see = explained(message)
  const own = error instanceof Problem
  return {
    error: own ? error.tag ?? error.exit : tag ?? "Defect",
    exit: own ? error.exit : exitOf(tag),
    message: atCommandLine(message),
    ...(see === undefined ? {} : { see }),
    ...(own && error.hint !== undefined ? { hint: error.hint } : {}),
    ...(own && error.because !== undefined
      ? { because: [{ what: error.because, sentence: `: ${error.because}` }] }
      : {}),
    ...(own && error.mistakes !== undefined ? { mistakes: error.mistakes } : {}),
    ...(own && error.pointed !== undefined ? { pointed: error.pointed } : {}),
    ...(tag === undefined ? {} : spoken[tag]?.(error))
  }
}

/** What is shown of a cause: of several failures the first. */
export const failureOfCause = (cause: Cause.Cause<unknown>): Failure => failureOf(Cause.squash(cause))
