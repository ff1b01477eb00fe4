/** All of typed calls, whose codec and contracts are a third of a node: see `typed`. */
export { make as client } from "./rpcClient.ts"
export { make as clientAll } from "./rpcClientAll.ts"
export { serve } from "./rpcServer.ts"
export { make as service } from "./rpcService.ts"
