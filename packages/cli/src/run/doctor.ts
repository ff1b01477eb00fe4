/** What `pnet doctor` does. */
import { formatEndpoint } from "@pnet/core/Advert"
import * as Diagnose from "@pnet/core/Diagnose"
import type { Finding } from "@pnet/core/Finding"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { atCommandLine } from "../atCommandLine.ts"
import type { doctor } from "../commands/doctor.ts"
import { explained, failureOf, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { bound, noNetwork } from "../node/bound.ts"
import { findOne } from "../node/find.ts"
import { NodeParts } from "../node/NodeParts.ts"
import { open } from "../node/open.ts"
import { place } from "../node/place.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

type Found = Shape<"finding">

const shapeOf = (finding: Finding): Found => {
  const see = explained(finding.message)
  return {
    finding: finding._tag,
    severity: finding.severity,
    message: atCommandLine(finding.message),
    ...(finding.remedy === "" ? {} : { remedy: atCommandLine(finding.remedy) }),
    ...(see === undefined ? {} : { see })
  }
}

/** Something that cannot be had, as a finding. */
const wrong = (finding: string, error: unknown): Found => {
  const { hint, message, see } = failureOf(error)
  return {
    finding,
    severity: "error",
    message,
    ...(hint === undefined ? {} : { remedy: hint }),
    ...(see === undefined ? {} : { see })
  }
}

/** What stands in the way before there is a network: files, and secrets that others see. */
const files = Effect.gen(function*() {
  const parts = yield* NodeParts
  const settings = yield* Settings
  const { sources, values } = settings
  const found: Array<Found> = []
  const keys = yield* Effect.result(parts.networkKeys(settings))
  if (Result.isFailure(keys)) found.push(wrong("NetworkKeyUnusable", keys.failure))
  else if (keys.success.length === 0) {
    found.push({
      finding: "InClear",
      severity: "info",
      message: `the network ${JSON.stringify(values.network)} has no key: whoever is on it is one of its nodes`,
      remedy: "pnet key network make, and the same key on every machine"
    })
  }
  if (sources.networkKey.from === "flag" || sources.networkKey.from === "environment") {
    found.push({
      finding: "KeyExposed",
      severity: "warning",
      message: `others on this machine may see the network key in ${sources.networkKey.where}`,
      remedy: "use --network-key-file, --network-key-stdin or --network-key-command"
    })
  }
  const trust = yield* Effect.result(Effect.scoped(Layer.build(Layer.provide(parts.trust(settings), parts.machine))))
  if (Result.isFailure(trust)) found.push(wrong("TrustUnusable", trust.failure))
  const identity = yield* Effect.result(parts.hold(values.name, settings, 0))
  const running = Result.isFailure(identity) && identity.failure._tag === "KeyHeldError"
  if (Result.isFailure(identity)) {
    found.push(
      running
        ? {
          finding: "Running",
          severity: "ok",
          message: `the node ${JSON.stringify(values.name)} runs on this machine`
        }
        : wrong("IdentityUnusable", identity.failure)
    )
  }
  return {
    found,
    running,
    networkKeys: Result.getOrElse(keys, () => []),
    identity: Result.getOrUndefined(identity)
  }
})

/** Whether a peer can be reached, by a node of its own. */
const reach = Effect.fnUntraced(function*(name: string) {
  const opened = yield* open({ taken: "number" })
  const { node } = opened
  const asked = Effect.gen(function*() {
    const peer = yield* findOne(opened, name)
    const began = yield* Clock.currentTimeMillis
    yield* Effect.catchTag(
      node.target(name, { timeout: "10 seconds" })("get_funcs"),
      ["NotAllowedError", "UnknownFunctionError"],
      () => Effect.void
    )
    const [endpoint] = peer.endpoints
    const ms = (yield* Clock.currentTimeMillis) - began
    return {
      finding: "PeerAnswers",
      severity: "ok",
      message: `${JSON.stringify(name)} answers${
        endpoint === undefined ? "" : ` at ${formatEndpoint(endpoint)}`
      }, in ${ms} ms with what the session takes`
    } as const
  })
  return yield* Effect.matchEffect(asked, {
    onSuccess: (finding) => Effect.succeed({ finding, code: exits.ok.code }),
    onFailure: (error) =>
      Effect.succeed({ finding: wrong("PeerFails", error), code: exits[failureOf(error).exit].code })
  })
}, Effect.scoped)

const exitOf = { ok: "ok", info: "ok", warning: "doubtful", error: "failed" } as const

const order = ["ok", "info", "warning", "error"] as const

export const run = Effect.fnUntraced(function*({ peer }: Input<typeof doctor>) {
  const output = yield* Output
  const parts = yield* NodeParts
  const settings = yield* Settings
  const { values } = settings
  const placed = yield* place
  const all: Array<Found> = []
  const say = (finding: Found) => {
    all.push(finding)
    return output.value("finding", finding)
  }
  yield* Effect.scoped(Effect.gen(function*() {
    const { found, identity, networkKeys, running } = yield* files
    yield* Effect.forEach(found, say)
    // As a node would be: nodes of this machine reach each other without a network.
    const { alone, bindIp } = yield* Effect.provide(bound(settings), parts.machine)
    if (alone) {
      yield* say({ finding: "NoNetwork", severity: "warning", message: noNetwork.what, remedy: noNetwork.remedy })
    }
    const findings = yield* output.during(
      "listening to the network",
      Diagnose.run({
        // The name and the port of a node that runs are in use, and by it.
        ...(running ? {} : { name: values.name, serverPort: values.port }),
        ...(identity === undefined ? {} : { identity }),
        ...(networkKeys.length === 0 ? {} : { networkKeys }),
        ...placed,
        bindIp
      }).pipe(Effect.provide(parts.machine))
    )
    yield* Effect.forEach(findings, (finding) => say(shapeOf(finding)))
  }))
  if (Option.isSome(peer)) {
    const { code, finding } = yield* output.during(`asking ${peer.value}`, reach(peer.value))
    yield* say(finding)
    // Who asks for a peer asks whether that one is reached, and why not.
    if (code !== exits.ok.code) return yield* new Told({ code })
  }
  const worst = all.reduce<Found["severity"]>(
    (worst, { severity }) => order.indexOf(severity) > order.indexOf(worst) ? severity : worst,
    "ok"
  )
  // What is wrong has not kept the peer apart that was asked for and answers.
  const exit = exits[Option.isSome(peer) && worst === "error" ? "doubtful" : exitOf[worst]]
  if (exit.code !== exits.ok.code) return yield* new Told({ code: exit.code })
})
