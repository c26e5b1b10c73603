// What both decoders say of a picture that they refuse.

export class Undecodable extends Error {} // its message completes "This picture is ..."
