/** One run of the tests: what it was given, what it has heard, and what it has found so far. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { Crypto } from "../../Crypto.ts"
import { BindFailed, type Finding, PortInUse } from "../../Finding.ts"
import { Network } from "../../Network.ts"
import * as NodeOptions from "../../NodeOptions.ts"
import * as TcpTransport from "../../TcpTransport.ts"
import type { Self } from "../wire/advertExchange.ts"
import * as NetworkCipher from "../wire/networkCipher.ts"
import { Heard } from "./heard.ts"

/** Nobody waits longer than this for one node's answer. */
export const askTimeout = Duration.seconds(2)

/** The options of the node that is to be, and how long adverts are listened for. */
export interface Options extends Omit<NodeOptions.Input, "name"> {
  readonly name?: string | undefined
  readonly listenFor?: Duration.Input | undefined
}

export interface Examination {
  readonly config: NodeOptions.NodeOptions
  /** The name that the node is to have, where one was given. */
  readonly name: string | undefined
  readonly network: Network["Service"]
  readonly transport: ReturnType<typeof TcpTransport.make>
  readonly clock: Clock.Clock
  readonly self: Self
  /** The network keys, which may be none. */
  readonly keys: ReadonlyArray<Redacted.Redacted<Uint8Array>>
  readonly listenFor: Duration.Duration
  /** Whether adverts could be listened for. */
  listened: boolean
  readonly heard: Heard
  /** In the order in which they were found. */
  readonly findings: ReadonlyArray<Finding>
  readonly find: (finding: Finding) => void
}

export const make = (options: Options): Effect.Effect<Examination, NodeOptions.OptionsError, Network | Crypto> =>
  Effect.gen(function*() {
    const { listenFor, name, ...rest } = options
    const config = yield* NodeOptions.make({ ...rest, name: name ?? "diagnose" })
    const network = yield* Network
    const crypto = yield* Crypto
    const clock = yield* Clock.Clock
    const { networkId } = config
    const keys = NodeOptions.networkKeys(config)
    const self: Self = {
      networkId,
      name: config.name,
      // A key of its own, so that no node takes it for one that it knows.
      identity: crypto.generateKeyPair(),
      cipher: NetworkCipher.make({ crypto, clock, networkId, keys })
    }
    const findings: Array<Finding> = []
    return {
      config,
      name,
      network,
      transport: TcpTransport.make(network, {
        bindIp: config.bindIp,
        serverPort: config.serverPort,
        dialTimeout: askTimeout
      }),
      clock,
      self,
      keys,
      listenFor: listenFor === undefined
        ? Duration.times(config.broadcastInterval, 1.25)
        : Duration.fromInputUnsafe(listenFor),
      listened: false,
      heard: new Heard({
        crypto,
        self,
        keys,
        checkAdvertSource: config.checkAdvertSource,
        nowMillis: () => clock.currentTimeMillisUnsafe()
      }),
      findings,
      find: (finding) => void findings.push(finding)
    }
  })

/** Finds that a socket could not be opened where a node would open it. */
export const cannotOpen = (
  { find }: Examination,
  protocol: "UDP" | "TCP",
  { host: address, port }: { readonly host: string; readonly port: number },
  kind: string,
  cause: unknown
): void =>
  find(
    kind === "AddressInUse" || kind === "PortInUse"
      ? new PortInUse({ protocol, address, port })
      : new BindFailed({
        protocol,
        address,
        port,
        kind: kind === "AddressNotAvailable" || kind === "PermissionDenied" ? kind : "Unknown",
        detail: cause instanceof Error ? cause.message : kind
      })
  )
