/**
 * A simulated network for testing programs that talk over one.
 *
 * @since 0.1.0
 */
export * as SimFileSystem from "./SimFileSystem.ts"
export * as SimNetwork from "./SimNetwork.ts"
export * as SimWorld from "./SimWorld.ts"
export * as TestNetwork from "./TestNetwork.ts"
