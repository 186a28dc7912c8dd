import lightning as L


class Norm(L.Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        squares = sum(weight.square().sum() for weight in pl_module.parameters())
        pl_module.log("weights/norm", squares.sqrt())
