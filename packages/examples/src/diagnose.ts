/**
 * Says why nodes do not find each other: tests this machine and its network, and prints what it found and what to do. Ends with
 * exit code 1 where something is wrong.
 *
 *     pnpm diagnose                    loopback, as nodes are bound by default
 *     pnpm diagnose 0.0.0.0            every interface, or the address of one
 *     pnpm diagnose 0.0.0.0 alice      and whether that name is free
 *
 * Everything else comes from the environment, as for a node: PNET_NETWORK_ID, PNET_NETWORK_KEY, PNET_ADVERTISE_PORT, PNET_PEERS.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Diagnose, NodeOptions } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import { ConfigProvider, Console, Effect } from "effect"

const [bindIp, name = process.env.PNET_NAME] = process.argv.slice(2)

const program = Effect.gen(function*() {
  // The name may be left out here; as an option of a node it is required.
  const env = ConfigProvider.fromEnvRecord({ ...process.env, PNET_NAME: name ?? "anybody" })
  const options = yield* NodeOptions.config.pipe(Effect.provide(ConfigProvider.layer(env)))
  yield* Console.log("testing this machine and its network for a few seconds ...\n")
  const findings = yield* NodePnet.diagnose({ ...options, name, ...(bindIp === undefined ? {} : { bindIp }) })
  yield* Console.log(Diagnose.format(findings))
  const errors = findings.filter(({ severity }) => severity === "error").length
  yield* Console.log(errors === 0 ? "\nnothing is wrong" : `\n${errors} of these keep nodes from each other`)
  if (errors > 0) process.exitCode = 1
})

NodeRuntime.runMain(program)
