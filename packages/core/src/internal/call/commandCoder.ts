/** How the values of a command travel: as they are, or as the Schemas of the command have them. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Command from "../../Command.ts"
import {
  CallTooLargeError,
  ContractError,
  type DeadlineError,
  type HeadersUnsupportedError,
  InvalidArgumentsError,
  type NotAllowedError,
  type NotJsonError,
  type RemoteDefectError,
  type UnknownFunctionError
} from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"
import * as AtOnce from "../base/atOnce.ts"
import type { CallError } from "../streams/failures.ts"
import * as Wire from "./commandWire.ts"

/** What a function is called with; keyword arguments are the last of it. */
export type Args = ReadonlyArray<unknown>

/** Why a call got no value. */
export type CommandError =
  | Exclude<CallError, HeadersUnsupportedError>
  | CallTooLargeError
  | ContractError
  | DeadlineError
  | InvalidArgumentsError
  | NotAllowedError
  | NotJsonError
  | RemoteDefectError
  | UnknownFunctionError

/** How the values of one function travel. */
export interface Coder {
  readonly request: (
    name: string,
    args: Args,
    limit: number
  ) => Effect.Effect<Uint8Array, (peer: NodeName) => CommandError>
  readonly reply: (peer: NodeName, name: string, value: Schema.Json) => Effect.Effect<unknown, CommandError>
  readonly failure: (error: CommandError) => Effect.Effect<never, unknown>
}

const split = (args: Args): { readonly args: Args; readonly kwargs: Readonly<Record<string, unknown>> } => {
  const last = args[args.length - 1]
  return last instanceof Command.Kwargs
    ? { args: args.slice(0, -1), kwargs: last.values as Readonly<Record<string, unknown>> }
    : { args, kwargs: {} }
}

const encode = (request: Wire.Request, limit: number): Effect.Effect<Uint8Array, (peer: NodeName) => CommandError> => {
  const bytes = Wire.encodeRequest(request, limit)
  return bytes instanceof Uint8Array ?
    Effect.succeed(bytes) :
    Effect.fail((peer) =>
      bytes === "too large" ? new CallTooLargeError({ peer, function: request.function, limit }) : bytes
    )
}

export type Encoded = Effect.Effect<Uint8Array, (peer: NodeName) => CommandError>

/** Nearly always, what is to be sent is there at once. */
export const isEncoded = (request: Encoded): request is Exit.Success<Uint8Array, (peer: NodeName) => CommandError> =>
  Exit.isExit(request) && Exit.isSuccess(request)

export const untyped: Coder = {
  request: (name, args, limit) => encode({ function: name, ...split(args) }, limit),
  reply: (_peer, _name, value) => Effect.succeed(value),
  failure: Effect.fail
}

const coders = new WeakMap<Command.Any, Coder>()

export const coderOf = (command: Command.Any): Coder => {
  const known = coders.get(command)
  if (known !== undefined) return known
  const encodeArgs = Schema.encodeUnknownEffect(Schema.toCodecJson(command.args))
  const encodeKwargs = Schema.encodeUnknownEffect(Schema.toCodecJson(command.kwargs))
  const decodeSuccess = Schema.decodeUnknownEffect(Schema.toCodecJson(command.success))
  const decodeError = Schema.decodeUnknownEffect(Schema.toCodecJson(command.error))
  const invalid = (where: string) => (error: Schema.SchemaError) => (peer: NodeName) =>
    new InvalidArgumentsError({ peer, function: command.name, issue: `${where}: ${error.message}` })
  const coder: Coder = {
    request: (name, given, limit) => {
      const { args, kwargs } = split(given)
      return AtOnce.match(
        encodeArgs(args),
        (args) =>
          AtOnce.match(
            encodeKwargs(kwargs),
            (kwargs) => encode({ function: name, args: args as Args, kwargs: kwargs as Wire.Request["kwargs"] }, limit),
            (error) => Effect.fail(invalid("kwargs")(error))
          ),
        (error) => Effect.fail(invalid("args")(error))
      )
    },
    reply: (peer, name, value) =>
      AtOnce.match(decodeSuccess(value), Effect.succeed, (error) =>
        Effect.fail(
          new ContractError({
            peer,
            function: name,
            mayHaveRun: true,
            differences: [`its result is not what the command says: ${error.message}`]
          })
        )),
    failure: (error) =>
      error._tag === "RemoteError"
        ? Effect.flatMap(
          Effect.catch(decodeError(error.error), () => Effect.succeed(error)),
          Effect.fail
        )
        : Effect.fail(error)
  }
  coders.set(command, coder)
  return coder
}
