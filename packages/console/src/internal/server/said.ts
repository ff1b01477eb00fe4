/** What is said of a failure. */
import * as Api from "../../ConsoleApi.ts"
import { cut, shown } from "./cut.ts"

const pointer = /; see (?:@pnet\/core\/)?(docs\/[a-z-]+\.md#[a-z-]+)/g

const field = (error: unknown, name: string): unknown =>
  typeof error === "object" && error !== null ? (error as Record<string, unknown>)[name] : undefined

const hints: Readonly<Record<string, string>> = {
  PeerUnknownError: "It may have left. The list of peers shows who is there.",
  NameConflictError: "Several nodes have that name. Say on the peer's page whose it is.",
  UnknownFunctionError: "It may have been started anew with other functions.",
  NotAllowedError: "The peer decides who may call it.",
  DialError: "The page Health may show why.",
  DeadlineError: "Give it more time where it may run twice.",
  UntrustedPeerError: "Compare its key with its owner, and say on its page whose the name is."
}

/** Where a message says that it is explained, and the message without that. */
export const pointed = (message: string): { readonly message: string; readonly see?: string } => {
  const see = [...message.matchAll(pointer)].at(0)?.[1]
  return { message: message.replaceAll(pointer, ""), ...(see === undefined ? {} : { see }) }
}

const mostMessage = 2_000
const mostError = 16_384

/** A failure as pages have it. */
export const failureOf = (error: unknown) => {
  const tag = field(error, "_tag")
  const message = field(error, "message")
  const name = cut(typeof tag === "string" ? tag : "Error")
  const said = pointed(typeof message === "string" && message !== "" ? message : name).message
  const hint = hints[name]
  const own = name === "RemoteError" ? shown(field(error, "error"), mostError) : undefined
  return {
    tag: name,
    message: cut(said, mostMessage),
    ...(hint === undefined ? {} : { hint }),
    ...(own?.value === undefined ? {} : { error: own.value })
  }
}

/** A failure as an error of the group. */
export const failed = (error: unknown): Api.FailedError => {
  const { hint, message, tag } = failureOf(error)
  return new Api.FailedError({ error: tag, message, ...(hint === undefined ? {} : { hint }) })
}
