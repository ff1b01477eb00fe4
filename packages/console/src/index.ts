/**
 * A page on this machine that shows a pnet network as it is, and acts on it.
 *
 * @since 0.2.0
 */
export * as Console from "./Console.ts"
export * as ConsoleAgent from "./ConsoleAgent.ts"
export * as ConsoleApi from "./ConsoleApi.ts"
export * as ConsoleSpans from "./ConsoleSpans.ts"
export * as ConsoleTrust from "./ConsoleTrust.ts"
export * as Described from "./Described.ts"
export * as Elements from "./Elements.ts"
export * as JsonSchema from "./JsonSchema.ts"
export * as KeyWords from "./KeyWords.ts"
export * as Mistakes from "./Mistakes.ts"
export * as OpenBrowser from "./OpenBrowser.ts"
export * as Signature from "./Signature.ts"
