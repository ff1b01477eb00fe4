/**
 * Why nodes do not find each other: tests of this machine and of its network, each with a typed `Finding` that says what to do.
 *
 * It can be run before a node starts, and beside one that runs. It opens what a node would open, broadcasts an advert that says
 * "leaving" under a key of its own, which no node enters in its table, listens for a while to the adverts of others, and asks
 * those it heard, and the addresses of `peers`, for theirs over TCP. It ends by itself, by default within six seconds, and eight
 * where no name server answers.
 *
 * ```ts
 * const findings = yield* Diagnose.run({ name: "alice", bindIp: "0.0.0.0" })
 * yield* Console.log(Diagnose.format(findings))
 * ```
 *
 * What bites: what a firewall or an access point between two machines drops cannot be told from a machine that is off. Run it
 * on both. Clocks can be compared on a network with a key only, where adverts carry the time, in whole seconds.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Crypto } from "./Crypto.ts"
import type { Finding, Severity } from "./Finding.ts"
import { askHeard, askListed, listen } from "./internal/diagnose/asking.ts"
import { byBroadcast } from "./internal/diagnose/broadcasting.ts"
import * as Examination from "./internal/diagnose/examination.ts"
import { clocks, hidden, type Judgement, misfits, names, nobody, silent } from "./internal/diagnose/judging.ts"
import type { Network } from "./Network.ts"
import type * as NodeOptions from "./NodeOptions.ts"

/**
 * What is tested: the options that the node is to have, of which `name` may be left out, and then is not looked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<NodeOptions.Input, "name"> {
  readonly name?: string | undefined
  /** How long adverts are listened for. Default: a broadcast interval and a quarter of one, which is when each node has spoken. */
  readonly listenFor?: Duration.Input | undefined
}

/**
 * Tests this machine and its network with the options of a node. What is wrong with them is an `OptionsError`; everything
 * else is a finding, in the order in which it was tested.
 *
 * @category combinators
 * @since 0.1.0
 */
export const run = (
  options: Options = {}
): Effect.Effect<ReadonlyArray<Finding>, NodeOptions.OptionsError, Network | Crypto> =>
  Effect.gen(function*() {
    const examination = yield* Examination.make(options)
    const judge = (judgement: Judgement) => judgement(examination).forEach(examination.find)
    yield* listen(examination)
    judge(silent)
    const [listed] = yield* Effect.all([askListed(examination), byBroadcast(examination)], { concurrency: 2 })
    for (const tell of listed) tell()
    for (const tell of yield* askHeard(examination)) tell()
    for (const judgement of [nobody, misfits, names, hidden, clocks]) judge(judgement)
    return examination.findings
  })

const order: ReadonlyArray<Severity> = ["ok", "info", "warning", "error"]

/**
 * The worst severity among findings; `ok` where there are none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const worst = (findings: ReadonlyArray<Finding>): Severity =>
  findings.reduce<Severity>(
    (worst, { severity }) => order.indexOf(severity) > order.indexOf(worst) ? severity : worst,
    "ok"
  )

/**
 * Findings as text, a line each, and under it what to do.
 *
 * @category conversions
 * @since 0.1.0
 */
export const format = (findings: ReadonlyArray<Finding>): string =>
  findings.flatMap(({ message, remedy, severity }) => [
    `${severity.padEnd(7)}  ${message}`,
    ...(remedy === "" ? [] : [`${" ".repeat(7)}  > ${remedy}`])
  ]).join("\n")
