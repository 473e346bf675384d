"""Explanations: which stream, and which codon, an answer came from.

Everything here is a pure function of a callable that answers for streams and masks, as `fusion` has them, with one number
per record. A stream is taken away by masking it, so a model should have been trained with streams dropped now and then
(`fusion.streams.drop_streams`); otherwise it is asked about inputs that it never saw, and its answers mean little.

Example:
    def predict(streams, masks):
        return model(streams, masks)[0][:, 0]

    shares = modality_shapley(predict, streams, masks)  # by name, one number per record; they add up
"""
