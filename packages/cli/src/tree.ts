/**
 * All commands, and where each one's handler is, which is loaded when it is run.
 */
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { around } from "./around.ts"
import { call } from "./commands/call.ts"
import { config } from "./commands/config.ts"
import { consolePage } from "./commands/console.ts"
import { doctor } from "./commands/doctor.ts"
import { functions } from "./commands/functions.ts"
import { keyFingerprint, keyList, keyMake, keyShow } from "./commands/key.ts"
import { mailDead, mailPost, mailRead } from "./commands/mail.ts"
import { mcp } from "./commands/mcp.ts"
import { measure } from "./commands/measure.ts"
import {
  networkAdd,
  networkExport,
  networkList,
  networkMake,
  networkPromote,
  networkRemove
} from "./commands/networkKey.ts"
import { peers } from "./commands/peers.ts"
import { ping } from "./commands/ping.ts"
import { pipe } from "./commands/pipe.ts"
import { publish } from "./commands/publish.ts"
import { receive } from "./commands/receive.ts"
import { send } from "./commands/send.ts"
import { subscribe } from "./commands/subscribe.ts"
import { top } from "./commands/top.ts"
import { trustAllow, trustForget, trustList, trustResolve, trustRevoke } from "./commands/trust.ts"
import { up } from "./commands/up.ts"
import { why } from "./commands/why.ts"
import type { Handler } from "./handler.ts"
import { root } from "./root.ts"
import type { Input, Spec } from "./spec.ts"

const handlers = new Map<Spec, Handler<any>>()
const loaders: Array<() => Promise<void>> = []

/** Loads the handlers of all commands, for tests in which no time may pass while one is loaded. */
export const preload = (): Promise<unknown> => Promise.all(loaders.map((load) => load()))

const command = <S extends Spec>(spec: S, module: () => Promise<Handler<S>>) => {
  const load = () => module().then((handler) => void handlers.set(spec, handler))
  loaders.push(load)
  const loaded = Effect.suspend(() => handlers.has(spec) ? Effect.void : Effect.promise(load))
  const made = Command.make(
    spec.name,
    spec.config,
    (input) =>
      around(
        Effect.andThen(loaded, Effect.suspend(() => (handlers.get(spec) as Handler<S>).run(input as Input<S>)))
      )
  ).pipe(
    Command.withDescription(spec.description),
    Command.withShortDescription(spec.summary),
    Command.withExamples(spec.examples)
  )
  return spec.alias === undefined ? made : Command.withAlias(made, spec.alias)
}

/** A command that has others under it, and does nothing by itself. */
const group = (name: string, summary: string) =>
  Command.make(name).pipe(Command.withDescription(`${summary}.`), Command.withShortDescription(summary))

const ofKey = () => import("./run/key.ts")
const ofMail = () => import("./run/mail.ts")
const ofNetworkKey = () => import("./run/networkKey.ts")
const ofTrust = () => import("./run/trust.ts")

const network = group("network", "The keys of a network, which all its machines have").pipe(Command.withSubcommands([
  command(networkMake, () => ofNetworkKey().then(({ make }) => make)),
  command(networkAdd, () => ofNetworkKey().then(({ add }) => add)),
  command(networkPromote, () => ofNetworkKey().then(({ promote }) => promote)),
  command(networkRemove, () => ofNetworkKey().then(({ remove }) => remove)),
  command(networkList, () => ofNetworkKey().then(({ list }) => list)),
  command(networkExport, () => ofNetworkKey().then(({ exported }) => exported))
]))

const key = group("key", "The keys of this user's nodes, and of networks").pipe(Command.withSubcommands([
  command(keyMake, () => ofKey().then(({ make }) => make)),
  command(keyShow, () => ofKey().then(({ show }) => show)),
  command(keyList, () => ofKey().then(({ list }) => list)),
  command(keyFingerprint, () => ofKey().then(({ fingerprint }) => fingerprint)),
  network
]))

const mail = group("mail", "Letters to peers that may not be there").pipe(Command.withSubcommands([
  command(mailPost, () => ofMail().then(({ post }) => post)),
  command(mailRead, () => ofMail().then(({ read }) => read)),
  command(mailDead, () => ofMail().then(({ dead }) => dead))
]))

const trust = group("trust", "Who is trusted, and who is refused").pipe(Command.withSubcommands([
  command(trustList, () => ofTrust().then(({ list }) => list)),
  command(trustAllow, () => ofTrust().then(({ allow }) => allow)),
  command(trustRevoke, () => ofTrust().then(({ revoke }) => revoke)),
  command(trustForget, () => ofTrust().then(({ forget }) => forget)),
  command(trustResolve, () => ofTrust().then(({ resolve }) => resolve))
]))

/** The declarations of all commands, in the order of the help. */
export const specs: ReadonlyArray<Spec> = [
  up,
  peers,
  functions,
  call,
  pipe,
  publish,
  subscribe,
  send,
  receive,
  mailPost,
  mailRead,
  mailDead,
  ping,
  measure,
  doctor,
  top,
  consolePage,
  mcp,
  keyMake,
  keyShow,
  keyList,
  keyFingerprint,
  networkMake,
  networkAdd,
  networkPromote,
  networkRemove,
  networkList,
  networkExport,
  trustList,
  trustAllow,
  trustRevoke,
  trustForget,
  trustResolve,
  config,
  why
]

/** `pnet` with all that is under it. */
export const tree = root.pipe(Command.withSubcommands([
  command(up, () => import("./run/up.ts")),
  command(peers, () => import("./run/peers.ts")),
  command(functions, () => import("./run/functions.ts")),
  command(call, () => import("./run/call.ts")),
  command(pipe, () => import("./run/pipe.ts")),
  command(publish, () => import("./run/publish.ts")),
  command(subscribe, () => import("./run/subscribe.ts")),
  command(send, () => import("./run/send.ts")),
  command(receive, () => import("./run/receive.ts")),
  mail,
  command(ping, () => import("./run/ping.ts")),
  command(measure, () => import("./run/measure.ts")),
  command(doctor, () => import("./run/doctor.ts")),
  command(top, () => import("./run/top.ts")),
  command(consolePage, () => import("./run/console.ts")),
  command(mcp, () => import("./run/mcp.ts")),
  key,
  trust,
  command(config, () => import("./run/config.ts")),
  command(why, () => import("./run/why.ts"))
]))
