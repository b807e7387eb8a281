"""A tuning method as a third party would write it: one file, named on the command line with `--plugin`."""

from ftcore import MethodSpec, Ref, hookimpl


@hookimpl
def ftcore_tuning_methods():
    yield MethodSpec(name="bias", summary="the biases train (https://arxiv.org/abs/2106.10199)", trains_base=True,
                     artifact="model", switchable=False, factory=Ref("bias:Bias"))  # fmt: skip


class Bias:
    def load_options(self):
        return {}

    def attach(self, model):
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.endswith(".bias"))
        return model

    def state(self, model):
        from ftcore.parameters import trainable_state

        return trainable_state(model)

    def load_state(self, model, state):
        from ftcore.parameters import load_trainable

        load_trainable(model, state)

    def merge(self, model):
        return model

    def save(self, model, folder):
        model.save_pretrained(folder)
