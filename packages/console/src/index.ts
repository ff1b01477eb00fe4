/**
 * A page on this machine that shows a pnet network as it is, and acts on it.
 *
 * @since 0.2.0
 */
export * as ConsoleApi from "./ConsoleApi.ts"
export * as JsonSchema from "./JsonSchema.ts"
export * as KeyWords from "./KeyWords.ts"
export * as Mistakes from "./Mistakes.ts"
export * as Signature from "./Signature.ts"
