/** What a typed call takes and gives, as a contract: of itself it has nothing of how its values travel. */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcSchema from "effect/rpc/RpcSchema"
import type * as Schema from "effect/Schema"
import * as Contract from "./contract.ts"

/** The Schemas of a call whose values travel: of a stream, that of its elements. */
export const schemasOf = (rpc: Rpc.AnyWithProps) => {
  const stream = RpcSchema.isStreamSchema(rpc.successSchema) ? rpc.successSchema : undefined
  return { stream, exit: Rpc.exitSchema(rpc as Rpc.Any), success: stream?.success ?? rpc.successSchema }
}

/** The contract of a call, by what a Schema is in it. */
export const contractBy = (
  rpc: Rpc.AnyWithProps,
  schemaOf: (schema: Schema.Constraint) => Schema.Json
): Contract.Contract => {
  const { exit, stream, success } = schemasOf(rpc)
  return {
    payload: schemaOf(rpc.payloadSchema),
    success: schemaOf(success),
    error: schemaOf(exit.error),
    stream: stream !== undefined
  }
}

const jsonContracts = new WeakMap<Rpc.AnyWithProps, Contract.Contract>()

/** The contract of a call whose values are JSON, whichever bytes they would be else. */
export const jsonContractOf = (rpc: Rpc.AnyWithProps): Contract.Contract => {
  let contract = jsonContracts.get(rpc)
  if (contract === undefined) jsonContracts.set(rpc, contract = contractBy(rpc, Contract.jsonSchemaOf))
  return contract
}
