/** What the network says of one image. */
export interface Answer {
  /** The most likely class; where an image may have several labels, all of them as one name. */
  label: string;
  /** The labels that reach their thresholds, surest first, where an image may have several; null: it has one class. */
  labels: string[] | null;
  /** How sure it is of `label`; of several labels, of the answer that is least sure. */
  sure: number;
  /** Every class in the order of training; calibrated, they add up to 1, or, of several labels, to anything. */
  probabilities: Record<string, number>;
  /** How unlike the images it was trained on; over 1: unlike all of them. null: it cannot say. */
  unlike: number | null;
  isUnlike: boolean;
  /** Whether the image was read byte for byte as headswap reads it (JPEG, PNG, pixels). */
  exact: boolean;
  kind: string;
  /** Number of the most likely one among `Net.labels`. */
  best: number;
  /** (height, width, channels) as the network saw it. */
  pixels: Uint8ClampedArray;
  /** What each place adds to the score of each class; null where that is not exact. */
  places: { rows: number; columns: number; data: Float32Array } | null;
}

/** This is no image, or a damaged one; the message completes "This picture is ...". */
export class NotAnImage extends Error {}

/** A trained network, ready to answer, in a worker of its own. */
export class Net {
  readonly labels: string[];
  /** A file as it is, or what is drawn already. */
  predict(
    source: Blob | ImageData | HTMLImageElement | HTMLVideoElement | HTMLCanvasElement | ImageBitmap | OffscreenCanvas,
  ): Promise<Answer>;
  /** End its worker. */
  close(): void;
}

/** Start the network of a page that headswap made: its address, or its text. */
export function open(page: string | URL): Promise<Net>;
