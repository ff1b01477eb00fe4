/**
 * Files and folders between pnet nodes, that arrive whole.
 *
 * @since 0.2.0
 */
export * as FileBatches from "./FileBatches.ts"
export * as FileHash from "./FileHash.ts"
export * as FileOffer from "./FileOffer.ts"
export * as FileTransfer from "./FileTransfer.ts"
export * as LargeFiles from "./LargeFiles.ts"
export * as Progress from "./Progress.ts"
export * as TransferError from "./TransferError.ts"
