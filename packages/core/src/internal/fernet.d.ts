/** The part of npm `fernet` 0.4.0 that pnet uses; the package ships no types. */
declare module "fernet" {
  /** CryptoJS's byte string: big-endian 32-bit words, of which the first `sigBytes` bytes count. */
  export interface WordArray {
    readonly words: Array<number>
    readonly sigBytes: number
    readonly init: new(words: Array<number>, sigBytes: number) => WordArray
    toString(encoder?: unknown): string
  }
  export interface Fernet {
    readonly Hex: { parse(text: string): WordArray }
    /** HMAC-SHA256 over `this.versionHex` and the three. */
    createHmac(
      this: { readonly versionHex: string },
      key: WordArray,
      time: WordArray,
      iv: WordArray,
      cipherText: WordArray
    ): WordArray
    /** AES-CBC with PKCS #7; a string as the key would be a password. */
    encryptMessage(message: WordArray, key: WordArray, iv: WordArray): WordArray
    /** The inverse, whose result it reads as UTF-8. */
    decryptMessage(cipherText: WordArray, key: WordArray, iv: WordArray): string
  }
  const fernet: Fernet
  export default fernet
}
