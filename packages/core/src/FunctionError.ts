/**
 * Why a function of a peer could not be called, or did not answer with a value: the errors that commands and typed calls share.
 *
 * What bites: texts in them (`issue`, `description`, names) may be a peer's. They are quoted in `message`; quote them where you
 * show them yourself.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { quote } from "./internal/base/quote.ts"
import { waitedText } from "./internal/base/waited.ts"
import { NodeName } from "./Packet.ts"
import * as Why from "./Why.ts"

/** Characters of a peer's text in a message of this node's. */
const maxShown = 500

/**
 * A function failed on the peer with a typed error.
 *
 * @category errors
 * @since 0.2.0
 */
export class RemoteError
  extends Schema.TaggedError<RemoteError>("@pnet/core/FunctionError/RemoteError")("RemoteError", {
    peer: NodeName,
    /** The function's name. */
    command: Schema.String,
    /** The error as its Schema encodes it: JSON, with its `_tag` where it has one. A peer's text; decode it with your own Schema. */
    error: Schema.Unknown
  })
{
  /** The error's tag, where it has one. */
  get tag(): string | undefined {
    const error = this.error
    return typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
      ? error._tag
      : undefined
  }
  override get message() {
    const error = this.error
    const text = typeof error === "object" && error !== null && "message" in error ? error.message : error
    const shown = typeof text === "string" && text !== "" ? `: ${quote(Why.plain(text.slice(0, maxShown)))}` : ""
    return Why.see(
      `${quote(this.command)} failed at ${quote(this.peer)}${
        this.tag === undefined ? "" : ` with ${quote(this.tag.slice(0, maxShown))}`
      }${shown}`,
      "failed-there"
    )
  }
}

/**
 * A function of that name is registered already.
 *
 * @category errors
 * @since 0.2.0
 */
export class DuplicateFunctionError
  extends Schema.TaggedError<DuplicateFunctionError>("@pnet/core/FunctionError/DuplicateFunctionError")(
    "DuplicateFunctionError",
    {
      function: Schema.String,
      /** Whether the other is one that each node answers itself, as `describe`. */
      builtIn: Schema.optionalKey(Schema.Boolean)
    }
  )
{
  override get message() {
    return Why.see(
      this.builtIn === true
        ? `${quote(this.function)} is built in, and answered by each node itself; choose another name`
        : `a function called ${
          quote(this.function)
        } is registered already; close the scope of the other, or choose another name`,
      "duplicate-function"
    )
  }
}

/**
 * The node is closed, or was while this waited.
 *
 * @category errors
 * @since 0.2.0
 */
export class NodeClosedError extends Schema.TaggedError<NodeClosedError>("@pnet/core/FunctionError/NodeClosedError")(
  "NodeClosedError",
  { node: Schema.String }
) {
  override get message() {
    return Why.see(
      `the node ${quote(this.node)} is closed; keep its scope open for as long as it is used`,
      "node-closed"
    )
  }
}

/**
 * The peer has no function of that name that takes values, as commands, plain functions and rpcs do. It may have one that takes bytes, which is none of those.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownFunctionError
  extends Schema.TaggedError<UnknownFunctionError>("@pnet/core/FunctionError/UnknownFunctionError")(
    "UnknownFunctionError",
    { peer: NodeName, function: Schema.String }
  )
{
  override get message() {
    return Why.see(
      `${quote(this.peer)} has no function ${
        quote(this.function)
      } for values; call get_funcs to see those it has, or request where it takes bytes`,
      "unknown-function"
    )
  }
}

/**
 * The peer does not let this node call the function; it was not run. The peer's trust policy says so, or whom the function allows.
 *
 * @category errors
 * @since 0.2.0
 */
export class NotAllowedError extends Schema.TaggedError<NotAllowedError>("@pnet/core/FunctionError/NotAllowedError")(
  "NotAllowedError",
  { peer: NodeName, function: Schema.String }
) {
  override get message() {
    return Why.see(
      `${quote(this.peer)} does not let this node call ${
        quote(this.function)
      }, and did not run it; its operator decides who may, by the trust policy's rights and by whom the function allows`,
      "not-allowed"
    )
  }
}

/**
 * The function does not take these arguments, or the rpc no such payload; it was not run.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidArgumentsError
  extends Schema.TaggedError<InvalidArgumentsError>("@pnet/core/FunctionError/InvalidArgumentsError")(
    "InvalidArgumentsError",
    {
      /** Whom it was for; left out where that is a service, and no peer of it was chosen yet. */
      peer: Schema.optionalKey(NodeName),
      function: Schema.String,
      /** What Schema says of them, with the path to what is wrong, and never what is there. */
      issue: Schema.String
    }
  )
{
  override get message() {
    return Why.see(
      `${quote(this.function)}${
        this.peer === undefined ? "" : ` at ${quote(this.peer)}`
      } does not take these arguments: ${quote(this.issue)}; call describe to see what it takes`,
      "invalid-arguments"
    )
  }
}

/**
 * The peer does not read headers, as nodes of 0.1 do not. Nothing was sent to it.
 *
 * @category errors
 * @since 0.2.0
 */
export class HeadersUnsupportedError
  extends Schema.TaggedError<HeadersUnsupportedError>("@pnet/core/FunctionError/HeadersUnsupportedError")(
    "HeadersUnsupportedError",
    { peer: NodeName, function: Schema.String }
  )
{
  override get message() {
    return Why.see(
      `${quote(this.peer)} reads no headers, so that ${
        quote(this.function)
      } was not called; call it without them, or run a newer version there`,
      "headers-unsupported"
    )
  }
}

/**
 * A value cannot be written as JSON. Fails on the side that made the value: before anything is sent, or, for a result, at the
 * peer, whose caller gets a `RemoteError` with this one's tag.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotJsonError extends Schema.TaggedError<NotJsonError>("@pnet/core/FunctionError/NotJsonError")(
  "NotJsonError",
  {
    /** Where in the value, like `$.args[0].size`. */
    path: Schema.String,
    /** What is there instead, like `a function` or `NaN`. */
    found: Schema.String
  }
) {
  override get message() {
    return Why.see(
      `${this.path} is ${this.found}, which JSON has no form for; a command or an rpc with a Schema that encodes it can have it`,
      "not-json"
    )
  }
}

/**
 * The function broke at the peer with something else than a typed error. The peer's log has the cause; it does not travel.
 *
 * @category errors
 * @since 0.1.0
 */
export class RemoteDefectError
  extends Schema.TaggedError<RemoteDefectError>("@pnet/core/FunctionError/RemoteDefectError")("RemoteDefectError", {
    peer: NodeName,
    function: Schema.String
  })
{
  override get message() {
    return Why.see(`${quote(this.function)} broke at ${quote(this.peer)}; its log has the cause`, "broke-there")
  }
}

/**
 * The time of a call, or of a message, was up. A function is not begun after that, and one that runs is interrupted; a message is handled all the same.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineError extends Schema.TaggedError<DeadlineError>("@pnet/core/FunctionError/DeadlineError")(
  "DeadlineError",
  {
    peer: NodeName,
    /** The function that was called; left out where a message was sent. */
    function: Schema.optionalKey(Schema.String),
    /** Whether it may have been run, or handled: it is known that it was not where it had not been sent by then. */
    mayHaveRun: Schema.Boolean,
    /** What kept it from being sent in time, where that is known. */
    detail: Schema.optionalKey(Schema.String),
    /** How long the peer was waited for, with what the search for it took, where that is known. */
    waited: Schema.optionalKey(Schema.Duration)
  }
) {
  override get message() {
    const why = `${this.waited === undefined ? "" : `, given up after ${waitedText(this.waited)}`}${
      this.detail === undefined ? "" : ` (${this.detail})`
    }`
    const what = this.function === undefined ? quote(this.peer) : `${quote(this.function)} at ${quote(this.peer)}`
    return Why.see(
      `${what} did not answer in its time${why}; ${
        this.mayHaveRun
          ? "give it more time where it may run twice"
          : "it was not sent; give it more time, or try again"
      }`,
      this.function === undefined ? "no-answer" : "deadline"
    )
  }
}

/**
 * A call or an answer is larger than may be sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class CallTooLargeError
  extends Schema.TaggedError<CallTooLargeError>("@pnet/core/FunctionError/CallTooLargeError")("CallTooLargeError", {
    peer: NodeName,
    function: Schema.String,
    /** Bytes that may be sent at the most. */
    limit: Schema.Int
  })
{
  override get message() {
    return Why.see(
      `a call of ${quote(this.function)} at ${
        quote(this.peer)
      }, or its answer, is over ${this.limit} bytes; send what is large as a stream`,
      "too-large"
    )
  }
}

/**
 * Caller and peer disagree on what a typed call takes or gives, and could not understand each other.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContractError extends Schema.TaggedError<ContractError>("@pnet/core/FunctionError/ContractError")(
  "ContractError",
  {
    peer: NodeName,
    function: Schema.String,
    /** Whether the call was run at the peer before that was found. */
    mayHaveRun: Schema.Boolean,
    /** Where they differ, like `payload.size: number here, string at the peer`. */
    differences: Schema.Array(Schema.String)
  }
) {
  override get message() {
    return Why.see(
      `this node and ${quote(this.peer)} disagree on the contract of ${quote(this.function)}: ${
        this.differences.length === 0 ? "in a way their schemas do not show" : this.differences.join("; ")
      }. Give both the same version of it`,
      "contract"
    )
  }
}

const explained = {
  unknown_function: "unknown-function",
  not_allowed: "not-allowed",
  invalid_arguments: "invalid-arguments",
  failed: "failed-there",
  not_json: "not-json",
  too_large: "too-large",
  internal: "broke-there"
} as const

/**
 * Why a registered function gave no value: what travels to a caller by JSON, without a stack.
 *
 * - `unknown_function`, `not_allowed`, `invalid_arguments`: it was not run
 * - `failed`: it failed with a typed error, in `error` as JSON
 * - `not_json`: its result cannot be written as JSON
 * - `too_large`: its result is over the limit
 * - `internal`: a defect; the log has it
 *
 * @category errors
 * @since 0.1.0
 */
export class RunError extends Schema.TaggedError<RunError>("@pnet/core/FunctionError/RunError")("RunError", {
  code: Schema.Literals([
    "unknown_function",
    "not_allowed",
    "invalid_arguments",
    "failed",
    "not_json",
    "too_large",
    "internal"
  ]),
  description: Schema.String,
  error: Schema.optionalKey(Schema.Unknown)
}) {
  override get message() {
    return Why.see(this.description, explained[this.code])
  }
}
