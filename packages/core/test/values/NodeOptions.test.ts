import { assert, describe, it } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { inspect } from "node:util"

const keyText = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
const otherText = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
const keyOf = (text: string) => Result.getOrThrow(NetworkKey.parse(text))

/** The error of options that may be of any type. */
const issue = (input: unknown) =>
  Effect.map(Effect.flip(NodeOptions.make(input as NodeOptions.Input)), (error) => {
    assert.strictEqual(error._tag, "OptionsError")
    assert.match(error.message, /^the node's options are wrong: /)
    return error.issue
  })

const fromEnv = (env: Record<string, string>) => NodeOptions.config.parse(ConfigProvider.fromEnv({ env }))

describe("NodeOptions", () => {
  it.effect("fills in every default", () =>
    Effect.gen(function*() {
      const options = yield* NodeOptions.make({ name: "alpha" })
      const { limits, broadcastInterval, grace, ...rest } = options
      assert.deepStrictEqual(rest as unknown, {
        name: "alpha",
        networkId: "pnet",
        serverPort: 0,
        advertisePort: 3334,
        broadcastBudget: 40,
        bindIp: "127.0.0.1",
        peers: [],
        checkAdvertSource: true,
        chunkSize: 16_384,
        framing: "binary",
        roles: [],
        meta: {},
        offers: "asked"
      })
      assert.strictEqual(Duration.toMillis(broadcastInterval), 2_500)
      assert.strictEqual(Duration.toMillis(grace), 0)
      assert.deepStrictEqual(
        Object.fromEntries(
          Object.entries(limits).map(([name, value]) => [
            name,
            Duration.isDuration(value) ? `${Duration.toMillis(value)} ms` : value
          ])
        ),
        {
          pendingConnections: 256,
          pendingPerAddress: 16,
          rawConnections: 1_024,
          refusals: 64,
          firstPacketTimeout: "5000 ms",
          rawIdleTimeout: "60000 ms",
          writeTimeout: "10000 ms",
          replayEntries: 65_536,
          dialTimeout: "5000 ms",
          sendTimeout: "30000 ms",
          dialledConnections: 1_024,
          dialledIdleTimeout: "45000 ms",
          pendingSends: 1_024,
          provedPeers: 4_096,
          unprovedPeers: 4_096,
          unprovedPerAddress: 64,
          unprovedPerOwnAddress: 512,
          addressesPerName: 256,
          addressesPerPeer: 4,
          peerEvents: 1_024,
          probes: 64,
          doubts: 8,
          datagrams: 1_024,
          sightings: 4_096,
          streamCredit: 1_048_576,
          advertStamps: 8_192,
          sessions: 1_024,
          sessionsPerPeer: 8,
          handshakes: 256,
          handshakesPerAddress: 64,
          sessionSilence: "5000 ms",
          sessionIdle: "300000 ms",
          sessionAge: "3600000 ms",
          shutdownDrain: "30000 ms",
          renewDrain: "3600000 ms",
          streams: 1_024,
          calls: 4_096,
          callSize: 8_388_608,
          callMemory: 134_217_728,
          credit: 268_435_456,
          offers: 512,
          offerMemory: 16_777_216,
          topics: 1_024,
          subscriptions: 256,
          topicMemory: 67_108_864,
          topicRetained: 67_108_864,
          topicDeliveries: 4_096,
          topicGroups: 4_096,
          topicGroupMemory: 67_108_864,
          topicPatience: "300000 ms",
          topicRate: 200_000,
          sharedKeys: 1_024
        }
      )
    }))

  it.effect("keeps what is given", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const identity = crypto.generateKeyPair()
      const options = yield* NodeOptions.make({
        name: "alpha",
        networkId: "lab",
        networkKey: keyOf(keyText),
        serverPort: 65_535,
        advertisePort: 1,
        broadcastInterval: "1 second",
        bindIp: "10.0.0.1",
        peers: ["10.0.0.2:4000", "[fe80::1]:1"],
        checkAdvertSource: false,
        identity,
        limits: { refusals: 1, rawIdleTimeout: 250 }
      })
      assert.strictEqual(options.networkId, "lab")
      assert.strictEqual(options.serverPort, 65_535)
      assert.strictEqual(options.advertisePort, 1)
      assert.strictEqual(Duration.toMillis(options.broadcastInterval), 1_000)
      assert.deepStrictEqual(options.peers, ["10.0.0.2:4000", "[fe80::1]:1"])
      assert.isFalse(options.checkAdvertSource)
      assert.strictEqual(options.identity, identity)
      assert.strictEqual(options.limits.refusals, 1)
      assert.strictEqual(Duration.toMillis(options.limits.rawIdleTimeout), 250)
      // The limits that are not given have their defaults.
      assert.strictEqual(options.limits.pendingConnections, 256)
    }).pipe(Effect.provide(PortableCrypto.layer)))

  it.effect("names the option that is wrong", () =>
    Effect.gen(function*() {
      const wrong: Record<string, ReadonlyArray<unknown>> = {
        name: ["", "*", "a@b", "a|b", "a\nb", "n".repeat(65), 7, null],
        networkId: ["", "a|b", "a\u0000", "n".repeat(65), 7],
        networkKey: [
          "hunter2",
          "",
          Redacted.make("hunter2"),
          Redacted.make(""),
          [Redacted.make("AAAA")],
          [],
          7,
          undefined
        ],
        networkKeys: [keyText, [], ["AAAA"], Array(17).fill(keyText), undefined],
        serverPort: [-1, 65_536, 1.5, "4000", Number.NaN],
        advertisePort: [0, -1, 65_536, "3334"],
        broadcastInterval: [0, -1, "0 seconds", "-1 seconds", "soon", "2.5", null, Number.NaN],
        bindIp: ["localhost", "", "10.0.0.01", "[::1]", "FE80::1", "10.0.0.1:4000", 7],
        peers: [["10.0.0.1"], ["10.0.0.1:0"], ["host!:1"], ["::1:1"], [""], "10.0.0.1:4000", [7]],
        checkAdvertSource: ["true", 1, null],
        identity: [{}, "secret", null, { publicKey: "x", secretKey: "y" }],
        limits: [7, null, []]
      }
      for (const [option, values] of Object.entries(wrong)) {
        for (const value of values) {
          const found = yield* issue({ name: "alpha", [option]: value })
          assert.include(found, `["${option}"]`, `${option}: ${String(value)}`)
        }
      }
      assert.include(yield* issue({}), `["name"]`)
      const both = yield* issue({ name: "alpha", networkKey: keyText, networkKeys: [keyText] })
      assert.include(both, "only one of networkKey and networkKeys")
    }))

  it.effect("names the limit that is wrong", () =>
    Effect.gen(function*() {
      const { limits } = yield* NodeOptions.make({ name: "alpha" })
      for (const [limit, value] of Object.entries(limits)) {
        const isDuration = Duration.isDuration(value)
        const fewest = limit === "replayEntries" ? 2 : limit === "credit" ? 1_048_576 : 1
        const wrong = isDuration
          ? [0, -1, "-1 seconds", "soon", null]
          : [fewest - 1, -1, 1.5, "7", null, Number.NaN, Number.POSITIVE_INFINITY]
        for (const value of wrong) {
          assert.include(
            yield* issue({ name: "alpha", limits: { [limit]: value } }),
            `["limits"]["${limit}"]`,
            `${limit}: ${value}`
          )
        }
        if (limit === "subscriptions") {
          assert.include(yield* issue({ name: "alpha", limits: { [limit]: 257 } }), `["limits"]["${limit}"]`)
        }
        yield* NodeOptions.make({ name: "alpha", limits: { [limit]: isDuration ? "1 milli" : fewest } })
      }
    }))

  it.effect("refuses options that it does not know, by name", () =>
    Effect.gen(function*() {
      assert.include(yield* issue({ name: "alpha", netwrokKey: "x" }), `["netwrokKey"]`)
      assert.include(yield* issue({ name: "alpha", limits: { refusal: 1 } }), `["limits"]["refusal"]`)
    }))

  it.effect("says the number that was given, and no text, which may be a secret", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* issue({ name: "alpha", serverPort: 80_000 }),
        "Expected a port number, got 80000\n  at [\"serverPort\"]"
      )
      assert.include(yield* issue({ limits: { callSize: 0.5 } }), "got 0.5\n  at [\"limits\"][\"callSize\"]")
      const secret = "a-secret"
      assert.notInclude(yield* issue({ networkKey: secret, serverPort: secret, peers: [secret] }), secret)
    }))

  it.effect("says all that is wrong at once", () =>
    Effect.gen(function*() {
      const found = yield* issue({ name: "", serverPort: -1, port: 7 })
      for (const option of ["name", "serverPort", "port"]) assert.include(found, `["${option}"]`)
    }))

  it.effect("shows no secret", () =>
    Effect.gen(function*() {
      const secrets = ["hunter2hunter2", keyText.slice(1)]
      for (const secret of secrets) {
        for (const networkKey of [secret, Redacted.make(secret), [Redacted.make(secret)], [secret]]) {
          const error = yield* Effect.flip(
            NodeOptions.make({ name: "alpha", networkKey } as unknown as NodeOptions.Input)
          )
          for (const shown of [error.message, JSON.stringify(error), String(error.stack)]) {
            assert.notInclude(shown, secret.slice(0, 8))
          }
        }
      }
      const options = yield* NodeOptions.make({ name: "alpha", networkKey: keyOf(keyText) })
      assert.notInclude(JSON.stringify(options), keyText)
    }))

  it.effect("takes a network key as a plain text, redacts it at once, and says what is wrong with one", () =>
    Effect.gen(function*() {
      for (const networkKey of [keyText, Redacted.make(keyText), [keyText], [keyText, Redacted.make(otherText)]]) {
        const options = yield* NodeOptions.make({ name: "alpha", networkKey })
        assert.strictEqual(Redacted.value(NodeOptions.networkKeys(options)[0]!)[0], 0x73)
        assert.notInclude(JSON.stringify(options) + inspect(options, { depth: 9 }), keyText)
      }
      for (
        const [networkKey, ...said] of [
          [keyText.slice(0, -1), "the = at its end is missing"],
          [Redacted.make(keyText.slice(0, -1)), "the = at its end is missing"],
          ["", "it is empty"],
          [undefined, "there and undefined", "leave the option out"],
          [7, "expected the text of a network key"],
          [[], "expected 1 to 16 network keys, and there are 0"],
          [[keyText, `${keyText}\n`], "blanks or a line end", `["networkKey"][1]`]
        ] as const
      ) {
        const found = yield* issue({ name: "alpha", networkKey })
        for (const words of said) assert.include(found, words)
        assert.notInclude(found, "Expected Redacted")
        assert.notInclude(found, keyText.slice(0, 8))
      }
    }))

  it.effect("gives the network keys as bytes, in their order", () =>
    Effect.gen(function*() {
      const bytes = (networkKey?: NodeOptions.Input["networkKey"]) =>
        Effect.map(
          NodeOptions.make(networkKey === undefined ? { name: "alpha" } : { name: "alpha", networkKey }),
          (options) => NodeOptions.networkKeys(options).map((key) => Redacted.value(key)[0])
        )
      assert.deepStrictEqual(yield* bytes(), [])
      assert.deepStrictEqual(yield* bytes(keyOf(keyText)), [0x73])
      assert.deepStrictEqual(yield* bytes(Redacted.make(keyText)), [0x73])
      assert.deepStrictEqual(yield* bytes([keyOf(otherText), keyOf(keyText)]), [7, 0x73])
    }))
})

describe("layer", () => {
  it.effect("draws a key pair where there is none", () =>
    Effect.gen(function*() {
      const build = (input: NodeOptions.Input) =>
        NodeOptions.NodeConfig.pipe(Effect.provide(Layer.fresh(NodeOptions.layer(input)), { local: true }))
      const crypto = yield* Crypto.Crypto
      const identity = crypto.generateKeyPair()
      assert.strictEqual((yield* build({ name: "alpha", identity })).identity, identity)
      const [a, b] = [yield* build({ name: "alpha" }), yield* build({ name: "alpha" })]
      assert.notStrictEqual(a.identity.publicKey, b.identity.publicKey)
      assert.strictEqual(a.limits.refusals, 64)
      const error = yield* Effect.flip(build({ name: "" }))
      assert.include(error.message, `["name"]`)
    }).pipe(Effect.provide(PortableCrypto.layer)))
})

describe("config", () => {
  it.effect("reads all from the environment", () =>
    Effect.gen(function*() {
      const input = yield* fromEnv({
        PNET_NAME: "alpha",
        PNET_NETWORK_ID: "lab",
        PNET_NETWORK_KEY: `${keyText}, ${otherText}`,
        PNET_SERVER_PORT: "4000",
        PNET_ADVERTISE_PORT: "4001",
        PNET_BROADCAST_INTERVAL: "500 millis",
        PNET_BIND_IP: "0.0.0.0",
        PNET_PEERS: "10.0.0.1:4000, [fe80::1]:4000"
      })
      const options = yield* NodeOptions.make(input)
      assert.strictEqual(options.name, "alpha")
      assert.strictEqual(options.networkId, "lab")
      assert.strictEqual(options.serverPort, 4000)
      assert.strictEqual(options.advertisePort, 4001)
      assert.strictEqual(Duration.toMillis(options.broadcastInterval), 500)
      assert.strictEqual(options.bindIp, "0.0.0.0")
      assert.deepStrictEqual(options.peers, ["10.0.0.1:4000", "[fe80::1]:4000"])
      assert.deepStrictEqual(NodeOptions.networkKeys(options).map((key) => Redacted.value(key)[0]), [0x73, 7])
    }))

  it.effect("leaves what is not set to its default", () =>
    Effect.gen(function*() {
      const input = yield* fromEnv({ PNET_NAME: "alpha" })
      assert.deepStrictEqual(input, { name: "alpha" })
      const plain = yield* NodeOptions.make({ name: "alpha" })
      assert.deepStrictEqual(yield* NodeOptions.make(input), plain)
    }))

  it.effect("names the variable that is wrong, what it is set to, and what was expected", () =>
    Effect.gen(function*() {
      for (
        const [variable, value, expected] of [
          ["PNET_SERVER_PORT", "http", "a port, 0 to 65535, where 0 is any free one"],
          ["PNET_SERVER_PORT", "65536", "a port, 0 to 65535, where 0 is any free one"],
          ["PNET_SERVER_PORT", "1e3", "a port, 0 to 65535, where 0 is any free one"],
          ["PNET_ADVERTISE_PORT", "0", "a port, 1 to 65535"],
          ["PNET_ADVERTISE_PORT", "-1", "a port, 1 to 65535"],
          ["PNET_BROADCAST_INTERVAL", "so\u001bon", "a span of time, such as 500 millis, 2.5 seconds or 1 minute"]
        ] as const
      ) {
        const error = yield* Effect.flip(fromEnv({ PNET_NAME: "alpha", [variable]: value }))
        assert.strictEqual(error._tag, "ConfigError")
        assert.include(
          error.message,
          `${variable} "${value.replace("\u001b", "\\u001b")}" was refused: expected ${expected}\n`
        )
      }
      // What the option takes, and a flag, the variable takes, too.
      assert.strictEqual((yield* fromEnv({ PNET_NAME: "alpha", PNET_SERVER_PORT: " 0 " }))["serverPort"], 0)
    }))

  it.effect("says that there is no name", () =>
    Effect.gen(function*() {
      for (const env of [{}, { PNET_NAME: "" }] as ReadonlyArray<Record<string, string>>) {
        assert.include((yield* Effect.flip(fromEnv(env))).message, "PNET_NAME is not set, or empty")
      }
    }))

  it.effect("refuses a network key that is set and empty, whatever the source makes of empty texts", () =>
    Effect.gen(function*() {
      for (const variable of ["PNET_NETWORK_KEY", "PNET_NETWORK_KEYS"]) {
        for (const value of ["", " ", "\n"]) {
          const env = { PNET_NAME: "alpha", [variable]: value }
          for (
            const provider of [
              ConfigProvider.fromEnv({ env }),
              ConfigProvider.fromEnv({ env, preserveEmptyStrings: true }),
              ConfigProvider.fromUnknown(env),
              ConfigProvider.fromDotEnvContents(`PNET_NAME=alpha\n${variable}="${value}"`)
            ]
          ) {
            const error = yield* Effect.flip(Effect.provide(NodeOptions.config, ConfigProvider.layer(provider)))
            assert.include(error.message, `${variable} is set, and empty`)
            assert.include(error.message, "unset it for a network in clear")
            const parsed = yield* Effect.flip(NodeOptions.config.parse(provider))
            assert.strictEqual(parsed.message, error.message)
          }
        }
      }
    }))

  it.effect("refuses a network key that is missing beside a longer name, which nobody reads, and names that", () =>
    Effect.gen(function*() {
      for (const empty of [{}, { PNET_NETWORK_KEY: "" }]) {
        const error = yield* Effect.flip(
          fromEnv({ PNET_NAME: "alpha", ...empty, PNET_NETWORK_KEY_FILE: "/run/secrets/key" })
        )
        assert.include(
          error.message,
          "PNET_NETWORK_KEY is not set, or empty, and PNET_NETWORK_KEY_FILE, which pnet does not read"
        )
      }
      const key = Redacted.value(yield* NetworkKey.generate)
      const input = yield* fromEnv({
        PNET_NAME: "alpha",
        PNET_NETWORK_KEY: key,
        PNET_NETWORK_KEY_FILE: "/run/secrets/key"
      })
      assert.isDefined(input.networkKey)
    }).pipe(Effect.provide(PortableCrypto.layer)))

  it.effect("refuses one that is set and empty under the name of a config that it is nested in", () =>
    Effect.gen(function*() {
      for (const value of ["", " "]) {
        const provider = ConfigProvider.fromEnv({ env: { APP_PNET_NAME: "alpha", APP_PNET_NETWORK_KEY: value } })
        const error = yield* Effect.flip(
          Effect.provide(Config.nested(NodeOptions.config, "APP"), ConfigProvider.layer(provider))
        )
        assert.include(error.message, "PNET_NETWORK_KEY is set, and empty")
      }
      const provider = ConfigProvider.fromEnv({ env: { APP_PNET_NAME: "alpha" } })
      const input = yield* Effect.provide(Config.nested(NodeOptions.config, "APP"), ConfigProvider.layer(provider))
      assert.deepStrictEqual(input, { name: "alpha" })
    }))

  it.effect("leaves the rest of the checks to the options, which name themselves", () =>
    Effect.gen(function*() {
      for (
        const [option, variable, value] of [
          ["networkKey", "PNET_NETWORK_KEY", "hunter2"],
          ["networkKey", "PNET_NETWORK_KEY", `${keyText},`],
          ["bindIp", "PNET_BIND_IP", "localhost"],
          ["peers", "PNET_PEERS", "10.0.0.1"],
          ["networkId", "PNET_NETWORK_ID", "a|b"]
        ] as const
      ) {
        const input = yield* fromEnv({ PNET_NAME: "alpha", [variable]: value })
        const found = yield* issue(input)
        assert.include(found, `["${option}"]`)
        assert.notInclude(found, "hunter2")
        assert.notInclude(found, keyText)
      }
    }))
})
